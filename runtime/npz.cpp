//===- npz.cpp - zip files of stored arrays -------------------------------===//
//
// APPNOTE.TXT (PKWARE), sections 4.3 to 4.5: the directory at the end is
// authoritative; a local header only says how far behind it the data begins.
//
//===----------------------------------------------------------------------===//

#include "runtime/npy.h"

namespace mapsto::runtime {

namespace {

constexpr uint32_t kEndSignature = 0x06054b50, kEnd64Signature = 0x06064b50,
                   kLocator64Signature = 0x07064b50,
                   kEntrySignature = 0x02014b50, kLocalSignature = 0x04034b50;
constexpr uint64_t kEndSize = 22, kEnd64Size = 56, kLocator64Size = 20,
                   kEntrySize = 46, kLocalSize = 30;

struct Zip {
  const char *bytes;
  uint64_t size;
  String &error;

  template <typename T> T get(uint64_t at) const {
    T value;
    memcpy(&value, bytes + at, sizeof value);
    return value;
  }
  uint16_t u16(uint64_t at) const { return get<uint16_t>(at); }
  uint32_t u32(uint64_t at) const { return get<uint32_t>(at); }
  uint64_t u64(uint64_t at) const { return get<uint64_t>(at); }
  bool fits(uint64_t at, uint64_t length) const {
    return at <= size && length <= size - at;
  }
  bool fail(const char *what) {
    error.clear();
    error.add(what);
    return false;
  }
  bool damaged() { return fail("it is not a sound .npz file"); }

  bool findEnd(uint64_t &end) {
    if (size < kEndSize)
      return damaged();
    uint64_t lowest = size > kEndSize + 0xffff ? size - kEndSize - 0xffff : 0;
    for (end = size - kEndSize;; --end) {
      if (u32(end) == kEndSignature &&
          u16(end + 20) == size - end - kEndSize) // the comment fits exactly
        return true;
      if (end == lowest)
        return damaged();
    }
  }

  bool directory(uint64_t &at, uint64_t &count) {
    uint64_t end;
    if (!findEnd(end))
      return false;
    count = u16(end + 10);
    at = u32(end + 16);
    if (count != 0xffff && at != 0xffffffff)
      return true;
    // Zip64: a locator right before the end record.
    if (end < kLocator64Size ||
        u32(end - kLocator64Size) != kLocator64Signature)
      return count != 0xffff ? damaged() : true;
    uint64_t end64 = u64(end - kLocator64Size + 8);
    if (!fits(end64, kEnd64Size) || u32(end64) != kEnd64Signature)
      return damaged();
    count = u64(end64 + 32);
    at = u64(end64 + 48);
    return true;
  }

  /// Sizes too large for 32 bits are in the entry's extra field of tag 1, only
  /// those, in the order size, compressed size, offset.
  bool zip64(uint64_t extra, uint64_t extraEnd, uint64_t &length,
             uint64_t &stored, uint64_t &local) {
    uint64_t *wanted[] = {&length, &stored, &local};
    while (extra + 4 <= extraEnd) {
      uint16_t tag = u16(extra), n = u16(extra + 2);
      extra += 4;
      if (n > extraEnd - extra)
        return damaged();
      uint64_t at = extra, fieldEnd = extra + n;
      extra = fieldEnd;
      if (tag != 1)
        continue;
      for (uint64_t *value : wanted) {
        if (*value != 0xffffffff)
          continue;
        if (at + 8 > fieldEnd)
          return damaged();
        *value = u64(at);
        at += 8;
      }
    }
    return true;
  }

  bool entry(uint64_t &at, NpzEntry &entry) {
    if (!fits(at, kEntrySize) || u32(at) != kEntrySignature)
      return damaged();
    uint16_t flags = u16(at + 8), method = u16(at + 10);
    uint64_t stored = u32(at + 20), length = u32(at + 24), local = u32(at + 42);
    uint16_t nameLength = u16(at + 28), extraLength = u16(at + 30),
             commentLength = u16(at + 32);
    if (!fits(at + kEntrySize,
              uint64_t(nameLength) + extraLength + commentLength))
      return damaged();
    entry.name = bytes + at + kEntrySize;
    entry.nameLength = nameLength;
    uint64_t extra = at + kEntrySize + nameLength;
    if (!zip64(extra, extra + extraLength, length, stored, local))
      return false;
    at = extra + extraLength + commentLength;
    if (flags & 1)
      return fail("it is encrypted");
    if (method != 0)
      return fail("it is compressed; save it with numpy.savez instead of "
                  "savez_compressed");
    if (!fits(local, kLocalSize) || u32(local) != kLocalSignature)
      return damaged();
    entry.offset = local + kLocalSize + u16(local + 26) + u16(local + 28);
    entry.bytes = length;
    if (stored != length || !fits(entry.offset, length))
      return damaged();
    if (nameLength > 4 && memcmp(entry.name + nameLength - 4, ".npy", 4) == 0)
      entry.nameLength -= 4;
    return true;
  }
};

} // namespace

bool listNpz(const void *file, uint64_t size, Array<NpzEntry> &entries,
             String &error) {
  Zip zip{static_cast<const char *>(file), size, error};
  entries.clear();
  uint64_t at, count;
  if (!zip.directory(at, count))
    return false;
  for (uint64_t i = 0; i < count; ++i) { // ends at the first that does not fit
    NpzEntry entry;
    if (!zip.entry(at, entry))
      return false;
    for (const NpzEntry &other : entries)
      if (entry.nameLength == other.nameLength &&
          memcmp(entry.name, other.name, entry.nameLength) == 0)
        return zip.fail("it has two entries of one name");
    entries.push(entry);
  }
  return true;
}

} // namespace mapsto::runtime
