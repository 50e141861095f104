//===- manifest.h - the data half of a compiled model ---------------------===//
//
// An artifact is machine code (a table of kernels), weights, and a manifest:
// one read-only blob that says what the model takes and gives, which buffers
// it needs and in which order its kernels run. The compiler writes it
// (manifest_writer.h), the runtime walks it.
//
// Layout: a Header, then sections of fixed-size records. Everything is
// little-endian, 8-byte aligned and refers by index, so that the blob is used
// where it lies. A blob is untrusted: Manifest::open checks every index, offset
// and count, every expression's stack and every string's end before anything
// is used, and allocates nothing. After it, records may be followed blindly.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_MANIFEST_H
#define MAPSTO_RUNTIME_MANIFEST_H

#include "runtime/mapsto.h"

#include <cstddef>
#include <cstdint>

namespace mapsto::runtime {

inline constexpr char kManifestMagic[8] = {'M', 'A', 'P', 'S',
                                           'T', 'O', 'M', 'F'};
inline constexpr uint32_t kManifestVersion = 4;
/// Where a record refers to nothing.
inline constexpr uint32_t kNone = 0xFFFFFFFF;
/// A symbol without a default value.
inline constexpr int64_t kNoValue = INT64_MIN;
inline constexpr uint32_t kMaxExprDepth = 64;
inline constexpr uint32_t kMaxLoopDepth = 16;

/// `length` bytes at `offset` of the string section; a NUL follows them.
struct Text {
  uint32_t offset, length;
};

/// `count` words from `first` of the index section.
struct List {
  uint32_t first, count;
};

/// Size expressions: postfix code over the symbols, evaluated in checked
/// 64-bit arithmetic. An operator takes the two topmost values (left below
/// right); floordiv, ceildiv and mod round towards minus infinity, plus
/// infinity, and to the divisor's sign; a zero divisor is an error.
enum class Opcode : uint32_t {
  Constant, ///< push ExprOp::value
  Symbol,   ///< push the symbol of index ExprOp::value
  Add,
  Sub,
  Mul,
  FloorDiv,
  CeilDiv,
  Mod,
  Min,
  Max,
  Last = Max
};

struct ExprOp {
  uint64_t opcode : 8; ///< Opcode
  int64_t value : 56;  ///< the writer makes wider constants of two
};
static_assert(sizeof(ExprOp) == 8);

struct ExprRecord {
  Text text; ///< canonical, for people: "2*B*T + 1"
  uint32_t firstOp, opCount;
};

/// A symbolic size. Inputs with an axis that is just the symbol bind it; else
/// the caller's dim does, else the default.
struct SymbolRecord {
  Text name;
  int64_t defaultValue; ///< or kNoValue
};

/// An input, an output or a state.
struct TensorRecord {
  Text name, doc;
  uint32_t dtype; ///< mapsto_dtype
  uint32_t buffer;
  List dims; ///< expression ids, slowest axis first
};

/// A weight by its source name: only for people, since kernels may read it in
/// another layout.
struct ParameterRecord {
  Text name, doc;
  uint32_t dtype;
  uint32_t zero;
  List dims;             ///< expression ids
  uint64_t offset, size; ///< in the weights; size 0 where it was packed away
};

enum class BufferKind : uint32_t {
  Input,   ///< index: which input
  Output,  ///< index: which output
  State,   ///< index: which state
  Weights, ///< offset: bytes into the weights
  Arena,   ///< planned by the runtime from size and life
  Alias,   ///< index: an earlier buffer; offsetExpr: bytes into it
  Last = Alias
};

struct BufferRecord {
  Text name, type; ///< type for people: "f32[B, T, 16]"
  uint32_t kind;   ///< BufferKind
  uint32_t index;
  uint64_t offset;
  uint32_t sizeExpr;            ///< bytes
  uint32_t offsetExpr;          ///< aliases only, else kNone
  uint32_t firstStep, lastStep; ///< Arena: life, inclusive, in moments of the
                                ///< schedule (see computeLifetimes)
};

struct KernelRecord {
  Text symbol;   ///< of its function; also its name in profiles
  Text kind;     ///< "matmul", "attention", "elementwise", ...
  Text location; ///< source of its main op: "model.mto:12:9"
  List ops;      ///< ids into the texts: what was fused into it, in order
  List sites;    ///< ids into the texts: its checked places (error_code k is
                 ///< sites[k - 1])
  uint32_t argumentCount, resultCount;
  uint32_t gridExpr;    ///< items, any split of which may run in parallel
  uint32_t costExpr;    ///< of one item, in arithmetic operations (a hint), or
                        ///< kNone: as flops and bytes have it
  uint32_t flopsExpr;   ///< of a launch
  uint32_t bytesExpr;   ///< read and written by a launch
  uint32_t scratchExpr; ///< bytes per thread, or kNone
  uint32_t teamExpr;    ///< how often a team that runs it waits, or kNone
  uint32_t sharedExpr;  ///< bytes that all threads share, or kNone
};

/// What a shader needs of a device beyond Vulkan 1.1; bits of
/// ShaderRecord::features.
enum class ShaderFeature : uint32_t {
  Int64 = 1 << 0,
  Float64 = 1 << 1,
  Int16 = 1 << 2,
  Int8 = 1 << 3,
  Float16 = 1 << 4,
  Storage16 = 1 << 5, ///< 16-bit values in buffers
  Storage8 = 1 << 6,
  Subgroups = 1 << 7, ///< arithmetic over a subgroup
  /// Products of f16 matrices, summed in f32, that a subgroup has together.
  Matrices = 1 << 8
};

/// How a shader's items are shared out. Each walks on by as many as there are,
/// so that fewer workgroups than items are right too.
enum class DispatchKind : uint32_t {
  Invocations, ///< an invocation an item
  Workgroups,  ///< a workgroup an item
  Last = Workgroups
};

/// A choice of a shader's tile sizes. The first is taken that the device has
/// invocations and shared memory for and whose `when` is above 0; of those that
/// are for any sizes, the first that has items enough to fill the device, or
/// else the last.
struct TilingRecord {
  uint32_t workgroupSize; ///< invocations; subgroups, if they have matrices
  uint32_t sharedBytes;   ///< of a workgroup
  uint32_t itemsExpr;     ///< workgroups
  uint32_t whenExpr;      ///< kNone: for any sizes
  List constants;         ///< specialisation constants from number 2 on
  uint32_t matrix; ///< matrixSizes() of a subgroup's, which the device must
                   ///< have; or 0
  uint32_t zero;
};
/// Of a product of a subgroup's matrices, rows x depth by depth x columns.
constexpr uint32_t matrixSizes(uint32_t rows, uint32_t columns,
                               uint32_t depth) {
  return rows << 16 | columns << 8 | depth;
}

/// A shader's code for devices that have these features, with choices of its
/// tile sizes. Of a shader's variants the first is taken that the device has
/// the features and, where there are tilings, a tiling for and whose `when` is
/// above 0. The last one asks for least.
struct VariantRecord {
  List code;            ///< of the shader words: SPIR-V
  uint32_t features;    ///< ShaderFeature bits
  uint32_t sharedBytes; ///< of a workgroup
  uint32_t whenExpr;    ///< kNone: for any sizes
  uint32_t zero;
  List tilings; ///< of the tilings; none: the above holds on any device
};

/// A kernel as a compute shader: entry point "main", its buffers at bindings 0
/// to n - 1 of set 0 (then its scratch where it needs some, then where it
/// reports errors if it does), the size of its
/// workgroup and its own number as specialisation constants 0 and 1.
struct ShaderRecord {
  List variants;     ///< of the variants, one at least
  List pushes;       ///< expression ids: the push constants, an int32 each
  uint32_t dispatch; ///< DispatchKind
  uint32_t itemsExpr;
  uint32_t workgroupSize; ///< invocations, where the device allows as many
  uint32_t bindingCount;
  uint32_t scratchExpr; ///< bytes per workgroup, or kNone
  /// So many bytes at the beginning of all scratch are 0 when the shader
  /// starts; it is then laid out by items instead of workgroups.
  uint32_t clearedBytes;
  uint32_t startsFrom; ///< the operand that its first result starts as: copied
                       ///< there unless they are one buffer; or kNone
  uint32_t zero;
  List sites; ///< as KernelRecord::sites, in its own order
};
/// Vulkan grants every shader 128 bytes.
inline constexpr uint32_t kMaxPushes = 32;

enum class StepKind : uint32_t {
  Launch, ///< kernel over buffers (arguments, then results)
  Loop,   ///< steps [firstChild, firstChild + childCount), up to count times
  Copy,   ///< buffers[0] to buffers[1], the whole of the smaller
  Last = Copy
};

/// A step's id is its index. The schedule is steps [0, Header::rootCount);
/// a loop's body comes after the loop itself.
///
/// An iteration of a loop: the counter buffer (i64) is set to the iteration's
/// number, the body runs, then the carries are copied in order, then the loop
/// ends if the stop buffer's first byte, as the body left it, is not 0. After
/// the loop the counter holds the number of iterations done.
struct StepRecord {
  uint32_t kind; ///< StepKind
  uint32_t kernel;
  List buffers;
  uint32_t countExpr;
  uint32_t stopBuffer, counterBuffer; ///< or kNone
  uint32_t firstChild, childCount;
  uint32_t beside; ///< 1: a launch that may run at once with the launch before
                   ///< it, and with those that this one is beside; else 0
  List carries;    ///< pairs of buffers: from, to
};

/// After the last step `result` is copied over `state`.
struct WriteBackRecord {
  uint32_t state;  ///< which state
  uint32_t result; ///< a buffer
};

enum class CheckKind : uint32_t { Equal, AtLeast, Last = AtLeast };

/// What the sizes must satisfy beyond the inputs' shapes, checked before a
/// run: left == right, left >= right.
struct CheckRecord {
  uint32_t kind; ///< CheckKind
  uint32_t left, right;
  uint32_t zero;
  Text message; ///< where and why: "in `x + y` (model.mto:4:7), axis 1"
};

/// A phase of the compilation as text, for `mapsto inspect`. The runtime does
/// not read it: `stored` is the text compressed (zlib) where it is shorter than
/// `length`.
struct PhaseRecord {
  Text name, stored;
  uint32_t length; ///< of the text, in bytes
  uint32_t zero;
};

enum class Section : uint32_t {
  Strings, ///< bytes
  Indices, ///< uint32_t
  ExprOps,
  Exprs,
  Symbols,
  Inputs,
  Outputs,
  States,
  Parameters,
  Buffers,
  Kernels,
  Steps,
  WriteBacks,
  Checks,
  Phases,
  Features,    ///< Text: LLVM names of the CPU features the code needs
  Texts,       ///< Text: what lists of texts refer to
  Shaders,     ///< none, or one a kernel
  ShaderWords, ///< uint32_t
  Variants,
  Tilings,
  Count
};

struct SectionRecord {
  uint64_t offset; ///< bytes from the header
  uint64_t count;  ///< records
};

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t rootCount; ///< steps of the outermost level
  uint64_t size;      ///< of the whole blob
  Text name, doc;     ///< of the model
  Text triple, cpu;   ///< what the code was built for
  Text options;       ///< compile options, one line
  Text weightsFile;   ///< where the weights are left beside, else empty
  uint64_t weightsSize;
  uint64_t weightsId; ///< must be in the weights file's header too
  SectionRecord sections[size_t(Section::Count)];
};

/// A weights file is this header and then, at byte 64, the weights.
struct WeightsFileHeader {
  char magic[8]; ///< kWeightsMagic
  uint64_t id, size;
  uint8_t zero[40];
};
inline constexpr char kWeightsMagic[8] = {'M', 'A', 'P', 'S',
                                          'T', 'O', 'W', 'T'};
static_assert(sizeof(WeightsFileHeader) == 64);

/// A section's records where they lie.
template <typename T> struct Records {
  const T *data = nullptr;
  uint32_t count = 0;

  const T &operator[](uint32_t i) const { return data[i]; }
  const T *begin() const { return data; }
  const T *end() const { return data + count; }
  uint32_t size() const { return count; }
  bool empty() const { return count == 0; }
};

/// A checked view of a blob, which it does not own.
class Manifest {
public:
  /// Views `size` bytes at `blob`. Returns null, or what is wrong with them
  /// (a static text). Records of shaders are for checkShaders().
  const char *open(const void *blob, uint64_t size);

  /// Finds the manifest inside a file that was compiled, of any kind and for
  /// any machine: views the first valid one at a multiple of 8 bytes from
  /// `file`, which must be 8-byte aligned itself.
  bool find(const void *file, uint64_t size);

  const Header &header() const { return *head; }
  /// NUL-terminated.
  const char *text(Text t) const { return strings.data + t.offset; }
  Records<uint32_t> list(List l) const {
    return {indices.data + l.first, l.count};
  }

  Records<char> strings;
  Records<uint32_t> indices;
  Records<ExprOp> exprOps;
  Records<ExprRecord> exprs;
  Records<SymbolRecord> symbols;
  Records<TensorRecord> inputs, outputs, states;
  Records<ParameterRecord> parameters;
  Records<BufferRecord> buffers;
  Records<KernelRecord> kernels;
  Records<StepRecord> steps;
  Records<WriteBackRecord> writeBacks;
  Records<CheckRecord> checks;
  Records<PhaseRecord> phases;
  Records<Text> features;
  Records<Text> texts;
  Records<ShaderRecord> shaders;
  Records<uint32_t> shaderWords;
  Records<VariantRecord> variants;
  Records<TilingRecord> tilings;

private:
  const Header *head = nullptr;
};

/// What is wrong with the records of shaders in an open manifest, or null.
/// Apart, since a model without shaders is linked without it.
const char *checkShaders(const Manifest &m);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_MANIFEST_H
