/*===- mapsto.h - the C API of a compiled Mapsto model ---------------------===

  A compiled model is an *artifact*: a signature, a schedule, machine code and
  weights. It is opened once and is immutable; *sessions* run it. A session
  holds what one caller at a time changes: bound tensors, memory, state.

  Ownership    mapsto_artifact and mapsto_session are made and freed by the
               functions here. Strings returned live as long as the artifact
               (or until the session's next call, for error texts). Bound
               memory stays the caller's and must outlive the runs that use it.
  Threads      An artifact may be used by any number of threads at once. A
               session may be used by one thread at a time; several sessions of
               one artifact may run at once. All share one pool of workers.
  Shapes       Tensors are dense and row-major; dims[0] is the slowest axis. A
               symbolic size (`B`, `T`) is bound by the inputs' shapes, or by
               mapsto_session_set_dim where no input names it alone.
  Errors       Functions return a mapsto_status; the text of the failure, one
               or two lines, is mapsto_session_error(session) for functions
               that take a session, mapsto_last_error() for the others. Nothing
               is printed, nothing aborts.

  A run, start to end:

    mapsto_artifact *artifact;
    mapsto_session *session;
    mapsto_artifact_open("./model.so", &artifact);
    mapsto_session_create(artifact, &session);
    int64_t dims[] = {1, 12, 1};
    mapsto_session_bind_input(session, 0, MAPSTO_F32, dims, 3, x);
    mapsto_session_run(session);
    mapsto_tensor y;
    mapsto_session_output(session, 0, &y);
    ...
    mapsto_session_free(session);
    mapsto_artifact_close(artifact);

===----------------------------------------------------------------------===*/
#ifndef MAPSTO_RUNTIME_MAPSTO_H
#define MAPSTO_RUNTIME_MAPSTO_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MAPSTO_API __attribute__((visibility("default")))
#else
#define MAPSTO_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*--- Values ---------------------------------------------------------------*/

typedef enum mapsto_status {
  MAPSTO_OK = 0,
  MAPSTO_INVALID = 1,      /* an argument, a shape or a name was wrong */
  MAPSTO_BAD_ARTIFACT = 2, /* the file is not an artifact, or is damaged */
  MAPSTO_UNSUPPORTED = 3,  /* this machine lacks what the code was built for */
  MAPSTO_OUT_OF_MEMORY = 4,
  MAPSTO_RUN_FAILED = 5 /* the model itself failed: an index out of range */
} mapsto_status;

typedef enum mapsto_dtype {
  MAPSTO_F32 = 0,
  MAPSTO_F16 = 1,
  MAPSTO_BF16 = 2,
  MAPSTO_F64 = 3,
  MAPSTO_I32 = 4,
  MAPSTO_I64 = 5,
  MAPSTO_I8 = 6,
  MAPSTO_U8 = 7,
  MAPSTO_BOOL = 8, /* one byte, 0 or 1 */
  MAPSTO_I16 = 9,
  MAPSTO_U16 = 10,
  MAPSTO_U32 = 11,
  MAPSTO_U64 = 12
} mapsto_dtype;

/* Bytes of one element; 0 for a value that is no dtype. */
MAPSTO_API size_t mapsto_dtype_size(mapsto_dtype dtype);
/* "f32", "bool", ...; "?" for a value that is no dtype. */
MAPSTO_API const char *mapsto_dtype_name(mapsto_dtype dtype);

enum { MAPSTO_MAX_RANK = 16 };

/* A tensor somebody owns: of a session (valid until its next call). */
typedef struct mapsto_tensor {
  mapsto_dtype dtype;
  int rank;
  int64_t dims[MAPSTO_MAX_RANK];
  void *data;
  size_t bytes;
} mapsto_tensor;

/*--- Code of a model: what the compiler emits ------------------------------*/

/* Written by a kernel that meets an error; the first one stays. */
typedef struct mapsto_kernel_context {
  int64_t error_code;  /* 0 none; k: index out of range at the kernel's k-th
                          checked place (manifest, KernelRecord::sites)      */
  int64_t error_value; /* the index met                                      */
  int64_t error_bound; /* it had to be in [0, bound); -1: a whole number was
                          divided by zero                                    */

  /* Of a kernel that a team of threads can run (manifest, teamExpr); all 0: by
     this thread alone. The members do all items together, each of them its
     columns of every step, in the scratch of one thread.                     */
  int64_t member; /* this one's number                                        */
  int64_t others; /* how many there are beside it                             */
  int64_t left;   /* not 0: it is no longer one of them                       */
  int64_t step;   /* where it begins; member 0 at 0                           */
  /* Waits for the others. The fields above are then what they are in step
     `next`; nobody comes or goes if that is negative. Null: alone.           */
  void (*arrive)(struct mapsto_kernel_context *context, int64_t next);

  /* Memory of all threads of a launch (manifest, sharedExpr), 64-byte aligned.
     It begins with MAPSTO_SHARED_COUNTERS of int64_t, which are 0 when the
     launch begins.                                                           */
  void *shared;
} mapsto_kernel_context;

/* Counters that the items of a launch share. */
#define MAPSTO_SHARED_COUNTERS 16

/* Members that a team has at most. */
#define MAPSTO_MAX_TEAM 16

/* Runs the items [begin, end) of the kernel's grid. `buffers` has one pointer
   per argument, then per result; `dims` has the value of every symbol, in
   manifest order; `scratch` is this thread's own, 64-byte aligned. Any split of
   the grid over threads is legal. */
typedef void (*mapsto_kernel_fn)(void *const *buffers, const int64_t *dims,
                                 void *scratch, int64_t begin, int64_t end,
                                 mapsto_kernel_context *context);

#define MAPSTO_IMAGE_MAGIC 0x4F54504DU /* "MPTO" */
#define MAPSTO_IMAGE_VERSION 2U

/* A compiled model in memory. The compiler emits one as `mapsto_image_MODEL`;
   an executable or shared library also as `mapsto_model_image`. */
typedef struct mapsto_image {
  uint32_t magic;       /* MAPSTO_IMAGE_MAGIC */
  uint32_t version;     /* MAPSTO_IMAGE_VERSION */
  const void *manifest; /* 8-byte aligned; layout: runtime/manifest.h */
  uint64_t manifest_size;
  const mapsto_kernel_fn *kernels; /* in the manifest's order */
  uint64_t kernel_count;
  const void *weights; /* 64-byte aligned; null where they are in a file */
  uint64_t weights_size;
  const struct mapsto_backend *backend; /* runs the shaders that the manifest
                                           has; null where it has none */
} mapsto_image;

/*--- Artifacts -------------------------------------------------------------*/

typedef struct mapsto_artifact mapsto_artifact;
typedef struct mapsto_session mapsto_session;

/* Opens a compiled shared library. A path without a slash is taken in the
   current directory. MAPSTO_BAD_ARTIFACT when it cannot be loaded or is
   damaged, MAPSTO_UNSUPPORTED when the CPU lacks a feature it needs. */
MAPSTO_API mapsto_status mapsto_artifact_open(const char *path,
                                              mapsto_artifact **artifact);

/* The same for code that is linked in, or compiled in memory. The image must
   outlive the artifact. Weights that are left beside are looked for in
   `directory` (null: that of the running executable). */
MAPSTO_API mapsto_status mapsto_artifact_from_image(const mapsto_image *image,
                                                    const char *directory,
                                                    mapsto_artifact **artifact);

/* Closes an artifact once the last of its sessions is freed too. Null is
   allowed. */
MAPSTO_API void mapsto_artifact_close(mapsto_artifact *artifact);

/* Text of this thread's last failure in a function without a session. */
MAPSTO_API const char *mapsto_last_error(void);

/* "0.1.0" */
MAPSTO_API const char *mapsto_version(void);

/*--- Signature -------------------------------------------------------------*/

typedef enum mapsto_role {
  MAPSTO_INPUT = 0,
  MAPSTO_OUTPUT = 1,
  MAPSTO_STATE = 2,    /* kept between runs */
  MAPSTO_PARAMETER = 3 /* weights the model was compiled with */
} mapsto_role;

typedef struct mapsto_signature {
  const char *name;
  mapsto_dtype dtype;
  int rank;
  const char *type; /* "f32[B, T + 1, 16]" */
  const char *doc;  /* "" where the source has none */
} mapsto_signature;

MAPSTO_API const char *mapsto_model_name(const mapsto_artifact *artifact);
MAPSTO_API const char *mapsto_model_doc(const mapsto_artifact *artifact);
MAPSTO_API size_t mapsto_count(const mapsto_artifact *artifact,
                               mapsto_role role);
/* False where there is no such tensor. */
MAPSTO_API int mapsto_describe(const mapsto_artifact *artifact,
                               mapsto_role role, size_t index,
                               mapsto_signature *signature);
/* Text of one size: "B", "T + 1", "16"; null where there is no such axis. */
MAPSTO_API const char *mapsto_dim_text(const mapsto_artifact *artifact,
                                       mapsto_role role, size_t index,
                                       int axis);
/* The tensor's index, or -1. */
MAPSTO_API int mapsto_find(const mapsto_artifact *artifact, mapsto_role role,
                           const char *name);
/* Names of the symbolic sizes; null past the end. */
MAPSTO_API size_t mapsto_symbol_count(const mapsto_artifact *artifact);
MAPSTO_API const char *mapsto_symbol_name(const mapsto_artifact *artifact,
                                          size_t index);
/* Number of kernels, and a kernel's name as profiles show it. */
MAPSTO_API size_t mapsto_kernel_count(const mapsto_artifact *artifact);
MAPSTO_API const char *mapsto_kernel_name(const mapsto_artifact *artifact,
                                          size_t index);

/*--- Sessions --------------------------------------------------------------*/

/* A session keeps its artifact open. */
MAPSTO_API mapsto_status mapsto_session_create(mapsto_artifact *artifact,
                                               mapsto_session **session);
MAPSTO_API void mapsto_session_free(mapsto_session *session);

/* Text of the session's last failure; "" before one. */
MAPSTO_API const char *mapsto_session_error(const mapsto_session *session);

/* How many threads a run may use, the caller's own among them. 0, the default:
   one a core. */
MAPSTO_API mapsto_status mapsto_session_set_threads(mapsto_session *session,
                                                    int threads);

/* Where the runs take place: "cpu", the default, or "vulkan", "vulkan:1", ...
   where the model was compiled for it. States go along. MAPSTO_INVALID where
   the model was not, or there is no device of that number; MAPSTO_UNSUPPORTED
   where there is no Vulkan here, or the device lacks what the model needs. The
   session then runs on the CPU. */
MAPSTO_API mapsto_status mapsto_session_set_device(mapsto_session *session,
                                                   const char *device);

/* Gives a symbolic size that no input has alone, or pins one: an input that
   disagrees is then refused. */
MAPSTO_API mapsto_status mapsto_session_set_dim(mapsto_session *session,
                                                const char *symbol,
                                                int64_t value);

/* Binds an input to the caller's memory, which is read, never written, and not
   copied. `data` may be null only for a tensor of no elements. Aligned to its
   element is enough; 64 bytes is best. Bindings last until replaced. */
MAPSTO_API mapsto_status mapsto_session_bind_input(mapsto_session *session,
                                                   size_t input,
                                                   mapsto_dtype dtype,
                                                   const int64_t *dims,
                                                   int rank, const void *data);

/* Lets the runs write an output straight into the caller's memory of `bytes`,
   which must be at least the output's size when a run starts. Null: the
   session owns the memory again. Must not overlap an input or another
   output. */
MAPSTO_API mapsto_status mapsto_session_bind_output(mapsto_session *session,
                                                    size_t output, void *data,
                                                    size_t bytes);

/* Settles every size from the bindings without running, and gives an output's
   shape (`data` is null where the session will own it and has not run). */
MAPSTO_API mapsto_status mapsto_session_output_shape(mapsto_session *session,
                                                     size_t output,
                                                     mapsto_tensor *tensor);

/* Runs the model once over the bound inputs. When it fails, the outputs'
   contents are undefined and the state is as the failed run left it. */
MAPSTO_API mapsto_status mapsto_session_run(mapsto_session *session);

/* An output of the last run. */
MAPSTO_API mapsto_status mapsto_session_output(mapsto_session *session,
                                               size_t output,
                                               mapsto_tensor *tensor);

/* State is zero at first and after a reset. Its shape is settled by the first
   run (or by writing it) and stays until a reset: a run with other sizes is
   refused. Reading gives the session's own memory. Writing copies. */
MAPSTO_API mapsto_status mapsto_session_reset(mapsto_session *session);
MAPSTO_API mapsto_status mapsto_session_read_state(mapsto_session *session,
                                                   size_t state,
                                                   mapsto_tensor *tensor);
MAPSTO_API mapsto_status mapsto_session_write_state(mapsto_session *session,
                                                    size_t state,
                                                    mapsto_dtype dtype,
                                                    const int64_t *dims,
                                                    int rank, const void *data);

/*--- For generated code ------------------------------------------------------

  The typed functions of a compiled library are these two. */

/* A session of an artifact of its own. Null on failure, with the text in
   mapsto_last_error(). */
MAPSTO_API mapsto_session *mapsto_open_session(const mapsto_image *image,
                                               const char *directory);

/* Binds everything and runs: `symbols` has the value of every symbolic size in
   the manifest's order; inputs and outputs are as large as these make them.
   The bindings stay. */
MAPSTO_API mapsto_status mapsto_session_call(mapsto_session *session,
                                             const void *const *inputs,
                                             const int64_t *symbols,
                                             void *const *outputs);

/*--- What a run costs -------------------------------------------------------*/

/* One launch that has just ended. Times are of a monotonic clock; those of
   launches that ran side by side overlap. */
typedef struct mapsto_step_time {
  size_t kernel;
  int64_t start_ns, end_ns;
  int64_t flops, bytes; /* the kernel's own count at these sizes */
  int threads;          /* that took part */
} mapsto_step_time;

typedef void (*mapsto_step_callback)(void *user, const mapsto_step_time *time);

/* Called after every launch, on the thread that runs. Null: off, which costs
   nothing. */
MAPSTO_API mapsto_status mapsto_session_on_step(mapsto_session *session,
                                                mapsto_step_callback callback,
                                                void *user);

/* Memory of the sizes settled last. */
typedef struct mapsto_memory {
  uint64_t arena_bytes;       /* what the plan takes for intermediate values  */
  uint64_t arena_lower_bound; /* no plan could take less                      */
  uint64_t state_bytes;
  uint64_t output_bytes; /* of outputs that the session owns             */
  uint64_t weights_bytes;
  uint64_t scratch_bytes; /* of one thread                                */
  uint64_t shared_bytes;  /* of all threads, beside it                    */
} mapsto_memory;

MAPSTO_API mapsto_status mapsto_session_memory(mapsto_session *session,
                                               mapsto_memory *memory);

#ifdef __cplusplus
}
#endif

#endif /* MAPSTO_RUNTIME_MAPSTO_H */
