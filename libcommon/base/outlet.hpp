// The ways out for text that somebody else wrote (shards, bots, clients, databases): one function for each
// place that it goes to, which makes it harmless there. What is valid and harmless stays as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace smaster::outlet {

/// A line of a text log: line feeds become "\n", every other control character '?'.
[[nodiscard]] std::string log(std::string_view text);

/// One line on a terminal: control characters, C1 and those that turn the reading direction included, become
/// spaces.
[[nodiscard]] std::string terminal(std::string_view text);
/// The same for text of several lines: line feeds and tabs stay.
[[nodiscard]] std::string terminal_lines(std::string_view text);

/// JSON that a terminal shows: the same value, with \u escapes for what the terminal might obey.
[[nodiscard]] std::string json(std::string_view json_text);

/// A cell of a CSV file (RFC 4180), quoted where that is needed. Text that a spreadsheet would take for a
/// formula gets a ' in front (OWASP, CSV Injection); numbers stay.
[[nodiscard]] std::string csv_cell(std::string_view text);

/// Text within a mail's header: one line, and not a long one (RFC 5322, 2.1.1).
[[nodiscard]] std::string mail_header(std::string_view text);
/// Text within a mail's body: no line of it ends the mail, a MIME part or a command of a mail program.
[[nodiscard]] std::string mail_body(std::string_view text);

/// The value of a label in Prometheus' text format, without the quotes.
[[nodiscard]] std::string metrics_label(std::string_view text);

/// At most `bytes` of the text, without half a character at its end.
[[nodiscard]] std::string_view cut(std::string_view text, std::size_t bytes);

}  // namespace smaster::outlet
