# Makes a C++ file of the page's files: cmake -DOUT=FILE -DPAGE=FOLDER -DMODULES=FOLDER -DSCRIPTS=FILES -P embed.cmake
set(arrays "")
set(table "")

# The path's content is that of the files, one after the other.
function(embed path type)
  set(bytes "")
  foreach(file ${ARGN})
    file(READ "${file}" more HEX)
    string(APPEND bytes "${more}")
  endforeach()
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  string(MAKE_C_IDENTIFIER "file_${path}" name)
  set(arrays "${arrays}constexpr char ${name}[] = {${bytes}};\n" PARENT_SCOPE)
  set(table "${table}    {\"${path}\", \"${type}\", {${name}, sizeof ${name}}},\n" PARENT_SCOPE)
endfunction()

embed(/ "text/html; charset=utf-8" ${PAGE}/index.html)
embed(/page.css "text/css; charset=utf-8" ${PAGE}/page.css)
embed(/page.js "text/javascript; charset=utf-8" ${SCRIPTS})
embed(/icon.svg "image/svg+xml" ${PAGE}/icon.svg)
embed(/uPlot.css "text/css; charset=utf-8" ${MODULES}/uplot/dist/uPlot.min.css)
embed(/uPlot.js "text/javascript; charset=utf-8" ${MODULES}/uplot/dist/uPlot.esm.js)
embed(/uPlot.LICENSE "text/plain; charset=utf-8" ${MODULES}/uplot/LICENSE)

file(WRITE ${OUT} "#include \"page/page.hpp\"

namespace smaster::page {
namespace {

${arrays}
constexpr File kFiles[] = {
${table}};

}  // namespace

const File* find(std::string_view path) {
  for (const auto& file : kFiles) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

}  // namespace smaster::page
")
