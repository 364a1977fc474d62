// Escaping of text from others (shards, bots, clients, databases): one function per output format. Valid and
// harmless text is unchanged.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace smaster::outlet {

/// A line of a text log: line feeds become "\n", other control characters "?".
[[nodiscard]] std::string log(std::string_view text);

/// One line on a terminal: control characters, including C1 and those that change the text's direction,
/// become spaces.
[[nodiscard]] std::string terminal(std::string_view text);
/// The same for several lines: line feeds and tabs are kept.
[[nodiscard]] std::string terminal_lines(std::string_view text);

/// JSON for a terminal: the same value, with \u escapes for characters that the terminal may interpret.
[[nodiscard]] std::string json(std::string_view json_text);

/// A CSV cell (RFC 4180), quoted if needed. Text that a spreadsheet would interpret as a formula gets a
/// leading ' (OWASP, CSV Injection); numbers are unchanged.
[[nodiscard]] std::string csv_cell(std::string_view text);

/// Text for a mail header: one line of limited length (RFC 5322, 2.1.1).
[[nodiscard]] std::string mail_header(std::string_view text);
/// Text for a mail body: no line ends the mail, starts a MIME part, or is a command of a mail program.
[[nodiscard]] std::string mail_body(std::string_view text);

/// A label value in Prometheus' text format, without quotes.
[[nodiscard]] std::string metrics_label(std::string_view text);

/// The first `bytes` bytes of the text at most, cut at a character boundary.
[[nodiscard]] std::string_view cut(std::string_view text, std::size_t bytes);

}  // namespace smaster::outlet
