#include "tools/mapsto/Page.h"

#include "llvm/Support/raw_ostream.h"

using namespace mapsto;

static constexpr llvm::StringLiteral kStyle = R"(
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } .target { opacity: .7; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
td, th { text-align: left; padding: .25rem .6rem; vertical-align: top;
         border-bottom: 1px solid var(--line); }
td { font-family: ui-monospace, monospace; font-size: 13px; }
.detail td { border-bottom: 1px solid var(--line); opacity: .8;
             padding-left: 2rem; }
.before td { border-bottom: none; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
summary { cursor: pointer; padding: .4rem .8rem; font-weight: 600; }
pre { margin: 0; padding: .8rem; overflow-x: auto; background: var(--soft);
      font-size: 12px; line-height: 1.4; }
)";

static void escape(llvm::raw_ostream &out, llvm::StringRef text) {
  for (char c : text)
    switch (c) {
    case '&':
      out << "&amp;";
      break;
    case '<':
      out << "&lt;";
      break;
    case '>':
      out << "&gt;";
      break;
    case '"':
      out << "&quot;";
      break;
    default:
      out << c;
    }
}

static void writeTable(llvm::raw_ostream &out, const Summary::Table &table) {
  out << "<h2>";
  escape(out, table.title);
  out << "</h2>\n<table>\n<tr>";
  for (const std::string &column : table.columns) {
    out << "<th>";
    escape(out, column);
    out << "</th>";
  }
  out << "</tr>\n";
  for (const Summary::Row &row : table.rows) {
    out << (row.detail.empty() ? "<tr>" : "<tr class=\"before\">");
    for (const std::string &cell : row.cells) {
      out << "<td>";
      escape(out, cell);
      out << "</td>";
    }
    out << "</tr>\n";
    if (row.detail.empty())
      continue;
    out << "<tr class=\"detail\"><td colspan=\"" << table.columns.size()
        << "\">";
    escape(out, row.detail);
    out << "</td></tr>\n";
  }
  out << "</table>\n";
  if (!table.note.empty()) {
    out << "<p>";
    escape(out, table.note);
    out << "</p>\n";
  }
}

std::string mapsto::makePage(
    const Summary &summary,
    const std::vector<std::pair<std::string, std::string>> &phases) {
  std::string page;
  llvm::raw_string_ostream out(page);
  out << "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta "
         "charset=\"utf-8\">\n<title>";
  escape(out, summary.title());
  out << "</title>\n<style>" << kStyle << "</style>\n</head>\n<body>\n<h1>";
  escape(out, summary.title());
  out << "</h1>\n<p>";
  escape(out, summary.doc());
  out << "</p>\n<p class=\"target\">";
  escape(out, summary.target());
  out << "</p>\n";
  for (const Summary::Table &table : summary.tables())
    writeTable(out, table);
  out << "<h2>phases</h2>\n";
  for (const auto &[name, text] : phases) {
    out << "<details><summary>";
    escape(out, name);
    out << "</summary><pre>";
    escape(out, text);
    out << "</pre></details>\n";
  }
  out << "</body>\n</html>\n";
  return page;
}
