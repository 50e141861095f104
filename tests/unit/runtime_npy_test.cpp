#include "runtime/npy.h"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

using namespace mapsto::runtime;

namespace {

std::string npy(const std::string &dict, const std::string &data,
                int version = 1) {
  std::string file = "\x93NUMPY";
  file += char(version);
  file += '\0';
  size_t n = dict.size();
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    file += char(n >> (8 * i));
  return file + dict + data;
}

std::string dict(const std::string &descr, const std::string &shape,
                 const std::string &order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order +
         ", 'shape': " + shape + ", }\n";
}

std::string errorOf(const std::string &file) {
  NpyArray array;
  String error;
  return parseNpy(file.data(), file.size(), array, error) ? "" : error.c_str();
}

TEST(Npy, ReadsEveryVersionAndDtype) {
  struct {
    const char *descr;
    mapsto_dtype dtype;
  } types[] = {{"<f4", MAPSTO_F32},  {"<f2", MAPSTO_F16},  {"<f8", MAPSTO_F64},
               {"<i4", MAPSTO_I32},  {"<i8", MAPSTO_I64},  {"|i1", MAPSTO_I8},
               {"|u1", MAPSTO_U8},   {"|b1", MAPSTO_BOOL}, {"<V2", MAPSTO_BF16},
               {"|V2", MAPSTO_BF16}, {"<i2", MAPSTO_I16},  {"<u2", MAPSTO_U16},
               {"<u4", MAPSTO_U32},  {"<u8", MAPSTO_U64}};
  for (auto type : types)
    for (int version : {1, 2, 3}) {
      NpyArray a;
      String error;
      std::string data(6 * mapsto_dtype_size(type.dtype), '\1');
      std::string file = npy(dict(type.descr, "(2, 3)"), data, version);
      ASSERT_TRUE(parseNpy(file.data(), file.size(), a, error))
          << type.descr << error.c_str();
      EXPECT_EQ(a.dtype, type.dtype);
      EXPECT_EQ(a.shape.rank, 2);
      EXPECT_EQ(a.shape.dims[1], 3);
      EXPECT_EQ(a.offset + a.bytes, file.size());
    }
}

TEST(Npy, ReadsOddButValidHeaders) {
  EXPECT_EQ(errorOf(npy("{\"shape\": (), 'fortran_order': False, 'descr': "
                        "'<f4'}   \n",
                        "abcd")),
            "");
  EXPECT_EQ(errorOf(npy(dict("<f4", "(0, 7)"), "")), "");
  EXPECT_EQ(errorOf(npy(dict("<f4", "(1L,)"), "abcd")), "");
}

TEST(Npy, NamesWhatIsWrong) {
  struct {
    std::string file, error;
  } cases[] = {
      {"", "it is not an .npy file"},
      {"\x93NUMPY", "it is not an .npy file"},
      {"hello, world", "it is not an .npy file"},
      {npy(dict("<f4", "(1,)"), "abcd", 9),
       "it is of an unknown version of the npy format"},
      {npy(dict("<f4", "(2,)"), "abcd"),
       "it is truncated: its shape [2] needs 8 bytes, but it has 4"},
      {npy(dict("<f4", "(1,)"), "abcdefgh"),
       "it is longer than it should be: its shape [1] needs 4 bytes, but it "
       "has 8"},
      {npy(dict(">f4", "(1,)"), "abcd"),
       "it is big-endian; save it with a.astype(a.dtype.newbyteorder('<'))"},
      {npy(dict("|O", "(1,)"), "abcd"), "it holds Python objects, not numbers"},
      {npy(dict("<c8", "(1,)"), "abcdefgh"),
       "its dtype '<c8' is none of f2-f8, i1-i8, u1-u8, bool"},
      {npy(dict("<U5", "(1,)"), "abcd"),
       "its dtype '<U5' is none of f2-f8, i1-i8, u1-u8, bool"},
      {npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
           "abcd"),
       "it holds a structured array, not numbers"},
      {npy(dict("<f4", "(1,)", "True"), "abcd"),
       "it is in Fortran order; save it with numpy.ascontiguousarray"},
      {npy(dict("|b1", "(2,)"), std::string("\1\2")),
       "a bool in it is neither 0 nor 1"},
      {npy(dict("<f4", "(99999999999999999999,)"), ""), "its shape overflows"},
      {npy(dict("<f8", "(4611686018427387904, 2)"), ""), "its shape overflows"},
      {npy(dict("<f4", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"), "abcd"),
       "it has more than 16 axes"},
      {npy(dict("<f4", "(-1,)"), "abcd"), "the npy header is malformed"},
      {npy(dict("<f4", "(1.5,)"), "abcd"), "the npy header is malformed"},
      {npy(dict("<f4", "[1]"), "abcd"), "the npy header is malformed"},
      {npy(dict("<f4", "(1,)", "Maybe"), "abcd"),
       "the npy header is malformed"},
      {npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': "
           "(1,)}",
           "abcd"),
       "the npy header is malformed"},
      {npy("{'descr': '<f4', 'shape': (1,)}", "abcd"),
       "the npy header is malformed"},
      {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
           "abcd"),
       "the npy header is malformed"},
      {npy(dict("<f4", "(1,)") + "junk", "abcd"),
       "the npy header is malformed"},
      {npy("", ""), "the npy header is malformed"},
  };
  for (const auto &c : cases)
    EXPECT_EQ(errorOf(c.file), c.error);
  std::string lying = npy(dict("<f4", "(1,)"), "abcd");
  lying[8] = char(0xff);
  lying[9] = char(0xff);
  EXPECT_EQ(errorOf(lying), "it is truncated");
  std::string good = npy(dict("<f4", "(4, 4)"), std::string(64, 'x'));
  for (size_t n = 0; n < good.size(); ++n)
    EXPECT_NE(errorOf(good.substr(0, n)), "") << n;
}

TEST(Npy, WhatIsWrittenIsRead) {
  for (unsigned d = 0; d < kDtypeCount; ++d)
    for (int rank = 0; rank <= 4; ++rank) {
      Shape shape;
      shape.rank = rank;
      for (int i = 0; i < rank; ++i)
        shape.dims[i] = i + 1;
      String header, error;
      npyHeader(mapsto_dtype(d), shape, header);
      EXPECT_EQ(header.size() % 64, 0u);
      int64_t count = elementCount(mapsto_dtype(d), shape.dims, rank);
      std::string file(header.c_str(), header.size());
      file.resize(file.size() +
                  size_t(count) * mapsto_dtype_size(mapsto_dtype(d)));
      NpyArray array;
      ASSERT_TRUE(parseNpy(file.data(), file.size(), array, error))
          << error.c_str();
      EXPECT_EQ(array.dtype, d);
      EXPECT_EQ(array.shape, shape);
    }
}

//===----------------------------------------------------------------------===//
// npz
//===----------------------------------------------------------------------===//

void put(std::string &to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i)
    to += char(value >> (8 * i));
}

struct ZipEntry {
  std::string name, data;
  int method = 0, flags = 0;
};

std::string zip(const std::vector<ZipEntry> &entries, bool zip64 = false) {
  std::string file, directory;
  for (const ZipEntry &e : entries) {
    size_t local = file.size();
    put(file, 0x04034b50, 4);
    put(file, 20, 2), put(file, e.flags, 2), put(file, e.method, 2);
    put(file, 0, 4), put(file, 0, 4); // time, crc
    put(file, e.data.size(), 4), put(file, e.data.size(), 4);
    put(file, e.name.size(), 2), put(file, 3, 2);
    file += e.name + "xyz" + e.data;
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2), put(directory, 20, 2);
    put(directory, e.flags, 2), put(directory, e.method, 2);
    put(directory, 0, 4), put(directory, 0, 4);
    uint64_t size = zip64 ? 0xffffffff : e.data.size();
    put(directory, size, 4), put(directory, size, 4);
    put(directory, e.name.size(), 2), put(directory, zip64 ? 20 : 0, 2);
    put(directory, 0, 2), put(directory, 0, 2), put(directory, 0, 2);
    put(directory, 0, 4), put(directory, local, 4);
    directory += e.name;
    if (zip64) {
      put(directory, 1, 2), put(directory, 16, 2);
      put(directory, e.data.size(), 8), put(directory, e.data.size(), 8);
    }
  }
  size_t start = file.size();
  file += directory;
  put(file, 0x06054b50, 4), put(file, 0, 4);
  put(file, entries.size(), 2), put(file, entries.size(), 2);
  put(file, directory.size(), 4), put(file, start, 4), put(file, 0, 2);
  return file;
}

std::string npzError(const std::string &file) {
  Array<NpzEntry> entries;
  String error;
  return listNpz(file.data(), file.size(), entries, error) ? "" : error.c_str();
}

TEST(Npz, ListsItsEntries) {
  for (bool zip64 : {false, true}) {
    std::string file = zip({{"a.npy", "hello"}, {"b.npy", ""}}, zip64);
    Array<NpzEntry> entries;
    String error;
    ASSERT_TRUE(listNpz(file.data(), file.size(), entries, error));
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(std::string(entries[0].name, entries[0].nameLength), "a");
    EXPECT_EQ(file.substr(entries[0].offset, entries[0].bytes), "hello");
    EXPECT_EQ(entries[1].bytes, 0u);
  }
}

TEST(Npz, NamesWhatIsWrong) {
  EXPECT_EQ(npzError(zip({{"a.npy", "x", 8}})),
            "it is compressed; save it with numpy.savez instead of "
            "savez_compressed");
  EXPECT_EQ(npzError(zip({{"a.npy", "x", 0, 1}})), "it is encrypted");
  EXPECT_EQ(npzError(zip({{"a.npy", "x"}, {"a.npy", "y"}})),
            "it has two entries of one name");
  EXPECT_EQ(npzError("PK"), "it is not a sound .npz file");
  EXPECT_EQ(npzError(""), "it is not a sound .npz file");
}

TEST(Npz, DamageNeverLeavesTheFile) {
  std::string good = zip({{"a.npy", "hello"}, {"b.npy", "world"}}, true);
  for (size_t n = 0; n < good.size(); ++n)
    EXPECT_NE(npzError(good.substr(0, n)), "");
  std::mt19937 random(3);
  for (int round = 0; round < 20000; ++round) {
    std::string file = good;
    file[random() % file.size()] = char(random());
    Array<NpzEntry> entries;
    String error;
    if (!listNpz(file.data(), file.size(), entries, error))
      continue;
    for (const NpzEntry &e : entries) {
      ASSERT_LE(e.offset, file.size());
      ASSERT_LE(e.bytes, file.size() - e.offset);
    }
  }
}

} // namespace
