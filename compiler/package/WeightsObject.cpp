#include "compiler/package/WeightsObject.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/ELF.h"

#include <cstring>

using namespace mapsto;
using namespace llvm::ELF;

namespace {

/// Section indices, in the order of the section headers.
enum SectionIndex { Null, Weights, Symbols, Strings, Names, Stack, Count };

/// Where the section's bytes begin: the first multiple of its alignment after
/// the file's header.
constexpr uint64_t kWeightsStart = 64;
static_assert(sizeof(Elf64_Ehdr) <= kWeightsStart);

template <typename T> void write(llvm::raw_ostream &out, const T &record) {
  out.write(reinterpret_cast<const char *>(&record), sizeof record);
}

/// Adds a NUL-terminated name to a string table and returns where it is.
uint32_t add(std::string &table, llvm::StringRef name) {
  uint32_t at = table.size();
  table += name;
  table += '\0';
  return at;
}

} // namespace

bool mapsto::writeWeightsObject(
    llvm::raw_ostream &out, const Target &target, llvm::StringRef symbol,
    uint64_t size, llvm::function_ref<bool(llvm::raw_ostream &)> writeWeights) {
  std::string strings(1, '\0'), names(1, '\0');

  Elf64_Sym symbols[2] = {};
  symbols[1].st_name = add(strings, symbol);
  symbols[1].setBindingAndType(STB_GLOBAL, STT_OBJECT);
  symbols[1].st_other = STV_HIDDEN;
  symbols[1].st_shndx = Weights;
  symbols[1].st_size = size;

  uint64_t symbolsStart = llvm::alignTo(kWeightsStart + size, 8);
  uint64_t stringsStart = symbolsStart + sizeof symbols;
  uint64_t namesStart = stringsStart + strings.size();

  Elf64_Shdr sections[Count] = {};
  auto section = [&](SectionIndex index, llvm::StringRef name, uint32_t type,
                     uint64_t start, uint64_t bytes, uint64_t align) {
    sections[index].sh_name = add(names, name);
    sections[index].sh_type = type;
    sections[index].sh_offset = start;
    sections[index].sh_size = bytes;
    sections[index].sh_addralign = align;
  };
  // A "large" section lies apart from the code, which keeps short addresses
  // between code and its constants whatever the weights' size.
  section(Weights, ".lrodata.mapsto_weights", SHT_PROGBITS, kWeightsStart, size,
          64);
  sections[Weights].sh_flags =
      SHF_ALLOC | (target.isX86() ? SHF_X86_64_LARGE : 0);
  section(Symbols, ".symtab", SHT_SYMTAB, symbolsStart, sizeof symbols, 8);
  sections[Symbols].sh_link = Strings;
  sections[Symbols].sh_info = 1; // the first that is not local
  sections[Symbols].sh_entsize = sizeof(Elf64_Sym);
  section(Strings, ".strtab", SHT_STRTAB, stringsStart, strings.size(), 1);
  section(Stack, ".note.GNU-stack", SHT_PROGBITS, namesStart, 0, 1);
  section(Names, ".shstrtab", SHT_STRTAB, namesStart, 0, 1);
  sections[Names].sh_size = names.size();

  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ElfMagic, 4);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_REL;
  header.e_machine = target.isX86() ? EM_X86_64 : EM_AARCH64;
  header.e_version = EV_CURRENT;
  header.e_ehsize = sizeof header;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = Count;
  header.e_shstrndx = Names;
  header.e_shoff = llvm::alignTo(namesStart + names.size(), 8);

  uint64_t start = out.tell();
  write(out, header);
  out.write_zeros(kWeightsStart - sizeof header);
  if (!writeWeights(out) || out.tell() - start != kWeightsStart + size)
    return false;
  out.write_zeros(symbolsStart - (kWeightsStart + size));
  out.write(reinterpret_cast<const char *>(symbols), sizeof symbols);
  out << strings << names;
  out.write_zeros(header.e_shoff - (namesStart + names.size()));
  out.write(reinterpret_cast<const char *>(sections), sizeof sections);
  return true;
}
