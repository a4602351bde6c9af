#include "symbols/debug_info.hpp"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/demangle.hpp"

namespace sennit::inline v0::detail {
namespace {

struct free_memory {
  void operator()(void* p) const noexcept { std::free(p); }
};
template <class T>
using malloced = std::unique_ptr<T, free_memory>;

std::string text_of(Dwarf_Die& die, unsigned kind) {
  Dwarf_Attribute attribute;
  const char* const text =
      dwarf_attr_integrate(&die, kind, &attribute) != nullptr ? dwarf_formstring(&attribute) : nullptr;
  return text != nullptr ? text : "";
}

/// Where a function that is inlined, or defined outside of its class, was declared.
Dwarf_Die declaration_of(Dwarf_Die die) {
  Dwarf_Attribute attribute;
  for (const unsigned kind : {DW_AT_abstract_origin, DW_AT_specification}) {
    Dwarf_Die declared;
    if (dwarf_attr(&die, kind, &attribute) != nullptr && dwarf_formref_die(&attribute, &declared) != nullptr) {
      die = declared;
    }
  }
  return die;
}

/// Of a function, or of a place where one is inlined: the linker's name, or the source's with the namespaces and
/// classes around it.
std::string name_of(Dwarf_Die& die) {
  if (const std::string linkage = text_of(die, DW_AT_linkage_name); !linkage.empty()) return demangled(linkage.c_str());
  std::string name = text_of(die, DW_AT_name);
  Dwarf_Die declared = declaration_of(die);
  Dwarf_Die* around = nullptr;
  const int count = dwarf_getscopes_die(&declared, &around);
  const malloced<Dwarf_Die> owner(around);
  for (Dwarf_Die& scope : std::span(around, static_cast<std::size_t>(std::max(count, 1))).subspan(1)) {
    const int tag = dwarf_tag(&scope);
    if (tag == DW_TAG_namespace && text_of(scope, DW_AT_name).empty())
      name.insert(0, "(anonymous namespace)::");
    else if (tag != DW_TAG_compile_unit && !text_of(scope, DW_AT_name).empty())
      name.insert(0, text_of(scope, DW_AT_name) + "::");
  }
  return name;
}

unsigned number(Dwarf_Die& die, unsigned kind) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_attr(&die, kind, &attribute) != nullptr) dwarf_formudata(&attribute, &value);
  return static_cast<unsigned>(value);
}

bool is_function(Dwarf_Die& die) {
  return dwarf_tag(&die) == DW_TAG_subprogram || dwarf_tag(&die) == DW_TAG_inlined_subroutine;
}

/// Where the code of an inlined function was asked for.
void go_to_call(Dwarf_Die& inlined, Dwarf_Die& unit, code_location& at) {
  Dwarf_Files* files = nullptr;
  std::size_t count = 0;
  const char* file = nullptr;
  if (dwarf_getsrcfiles(&unit, &files, &count) == 0) {
    file = dwarf_filesrc(files, number(inlined, DW_AT_call_file), nullptr, nullptr);
  }
  at.file = file != nullptr ? file : "";
  at.line = number(inlined, DW_AT_call_line);
}

/// The function whose code lies at `address` of `unit`, and around it those that it is inlined in.
std::vector<code_location> functions_at(Dwarf_Die& unit, Dwarf_Addr address, code_location at,
                                        const std::string& symbol) {
  std::vector<code_location> out;
  Dwarf_Die* found = nullptr;
  const int inner_count = dwarf_getscopes(&unit, address, &found);
  const malloced<Dwarf_Die> inner(found);
  for (Dwarf_Die& scope : std::span(found, static_cast<std::size_t>(std::max(inner_count, 0)))) {
    if (!is_function(scope)) continue;
    // What dwarf_getscopes() has beyond an inlined function is where that was defined, not where it is inlined.
    Dwarf_Die* around = nullptr;
    const int count = dwarf_getscopes_die(&scope, &around);
    const malloced<Dwarf_Die> outer(around);
    for (Dwarf_Die& function : std::span(around, static_cast<std::size_t>(std::max(count, 0)))) {
      if (!is_function(function)) continue;
      const bool outermost = dwarf_tag(&function) == DW_TAG_subprogram;
      at.function = outermost && !symbol.empty() ? symbol : name_of(function);
      out.push_back(at);
      if (outermost) break;
      go_to_call(function, unit, at);
    }
    break;
  }
  return out;
}

/// The compilation unit whose code lies at `address`, and what is added to its addresses; null if there is none.
Dwarf_Die* unit_of(Dwfl_Module& module, Dwarf_Addr address, Dwarf_Addr& bias) {
  if (Dwarf_Die* const found = dwfl_module_addrdie(&module, address, &bias)) return found;
  // clang writes no table of addresses (.debug_aranges).
  for (Dwarf_Die* unit = nullptr; (unit = dwfl_module_nextcu(&module, unit, &bias)) != nullptr;) {
    if (dwarf_haspc(unit, address - bias) > 0) return unit;
  }
  return nullptr;
}

/// Beside the program, by its build id and in the usual places, but not over the network: a dump must not wait for
/// that.
int find_debug_file(Dwfl_Module* module, void** user, const char* name, Dwarf_Addr base, const char* file,
                    const char* link, GElf_Word checksum, char** out) {
  const auto find =
      std::getenv("DEBUGINFOD_URLS") == nullptr ? &dwfl_standard_find_debuginfo : &dwfl_build_id_find_debuginfo;
  return find(module, user, name, base, file, link, checksum, out);
}

char* usual_places = nullptr;
const Dwfl_Callbacks ways_to_files{.find_elf = dwfl_linux_proc_find_elf,
                                   .find_debuginfo = find_debug_file,
                                   .section_address = nullptr,
                                   .debuginfo_path = &usual_places};

}  // namespace

debug_info& debug_info::of_process() {
  static auto* const it = new debug_info;  // never destroyed: a dump may come while static destructors run
  return *it;
}

Dwfl_Module* debug_info::module_of(Dwarf_Addr address) {
  if (dwfl_ == nullptr) dwfl_ = dwfl_begin(&ways_to_files);
  if (dwfl_ == nullptr) return nullptr;
  if (Dwfl_Module* const known = dwfl_addrmodule(dwfl_, address)) return known;
  dwfl_report_begin_add(dwfl_);
  dwfl_linux_proc_report(dwfl_, ::getpid());
  dwfl_report_end(dwfl_, nullptr, nullptr);
  return dwfl_addrmodule(dwfl_, address);
}

std::vector<code_location> debug_info::at(const void* return_address) {
  const Dwarf_Addr address = reinterpret_cast<std::uintptr_t>(return_address) - 1;  // in the call, not behind it
  const std::lock_guard lock(mutex_);
  code_location at;
  Dwfl_Module* const module = module_of(address);
  if (module == nullptr) return {at};

  const char* path = nullptr;
  const char* const name = dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, &path, nullptr);
  at.module = path != nullptr ? path : name;
  GElf_Off in_symbol = 0;
  GElf_Sym symbol{};
  at.function = demangled(dwfl_module_addrinfo(module, address, &in_symbol, &symbol, nullptr, nullptr, nullptr));
  GElf_Addr symbols_bias = 0;
  at.offset = dwfl_module_getelf(module, &symbols_bias) != nullptr ? address - symbols_bias : address;
  Dwarf_Addr bias = 0;
  Dwarf_Die* const unit = unit_of(*module, address, bias);
  if (unit == nullptr) return {at};
  if (Dwarf_Line* const line = dwarf_getsrc_die(unit, address - bias)) {
    int number = 0;
    const char* const file = dwarf_linesrc(line, nullptr, nullptr);
    if (file != nullptr && dwarf_lineno(line, &number) == 0) {
      at.file = file;
      at.line = static_cast<unsigned>(number);
    }
  }
  if (auto all = functions_at(*unit, address - bias, at, at.function); !all.empty()) return all;
  return {at};
}

}  // namespace sennit::inline v0::detail
