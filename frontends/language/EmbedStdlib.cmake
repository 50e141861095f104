# Writes OUTPUT, a C++ file with the text of each of FILES:
#   cmake -DOUTPUT=... -DFILES=a.mto,b.mto -P EmbedStdlib.cmake
string(REPLACE "," ";" files "${FILES}")
set(texts "")
set(table "")
foreach(file IN LISTS files)
  get_filename_component(name "${file}" NAME_WE)
  file(READ "${file}" text)
  # A string literal may be too long for a compiler: pieces of at most 8000.
  string(LENGTH "${text}" length)
  set(pieces "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 8000 piece)
    string(APPEND pieces "R\"mto(${piece})mto\"\n")
    math(EXPR at "${at} + 8000")
  endwhile()
  string(APPEND table "    {\"${name}\", ${pieces}},\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"frontends/language/Stdlib.h\"

llvm::ArrayRef<mapsto::StdlibFile> mapsto::stdlibFiles() {
  static const StdlibFile files[] = {
${table}  };
  return files;
}
")
