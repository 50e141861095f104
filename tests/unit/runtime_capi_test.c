/* The C API from C: linked without the C++ library. */

#define _GNU_SOURCE

#include "runtime/mapsto.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const mapsto_image mapsto_model_image;

static int failures = 0;
#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);          \
      failures++;                                                              \
    }                                                                          \
  } while (0)

static void checkSignature(mapsto_artifact *artifact) {
  mapsto_signature s;
  CHECK(strcmp(mapsto_model_name(artifact), "accumulate") == 0);
  CHECK(mapsto_count(artifact, MAPSTO_INPUT) == 2);
  CHECK(mapsto_count(artifact, MAPSTO_OUTPUT) == 2);
  CHECK(mapsto_count(artifact, MAPSTO_STATE) == 1);
  CHECK(mapsto_describe(artifact, MAPSTO_INPUT, 0, &s));
  CHECK(strcmp(s.name, "x") == 0 && strcmp(s.type, "f32[B, T]") == 0);
  CHECK(s.rank == 2 && strcmp(s.doc, "what to scale") == 0);
  CHECK(!mapsto_describe(artifact, MAPSTO_INPUT, 2, &s));
  CHECK(mapsto_describe(artifact, MAPSTO_PARAMETER, 0, &s));
  CHECK(strcmp(s.type, "f32[4]") == 0);
  CHECK(strcmp(mapsto_dim_text(artifact, MAPSTO_INPUT, 0, 1), "T") == 0);
  CHECK(!mapsto_dim_text(artifact, MAPSTO_INPUT, 0, 2));
  CHECK(mapsto_find(artifact, MAPSTO_OUTPUT, "sum") == 1);
  CHECK(mapsto_find(artifact, MAPSTO_OUTPUT, "x") == -1);
  CHECK(mapsto_symbol_count(artifact) == 2);
  CHECK(strcmp(mapsto_symbol_name(artifact, 0), "B") == 0);
}

static void bind(mapsto_session *session, const float *x, const int64_t *ids,
                 int64_t b, int64_t t) {
  int64_t dims[] = {b, t};
  CHECK(!mapsto_session_bind_input(session, 0, MAPSTO_F32, dims, 2, x));
  CHECK(!mapsto_session_bind_input(session, 1, MAPSTO_I64, dims + 1, 1, ids));
}

static void checkRuns(mapsto_artifact *artifact) {
  mapsto_session *session;
  mapsto_tensor y, sum, state;
  float x[] = {1, 2, 3, 4, 5, 6};
  int64_t ids[] = {0, 1, 2};
  CHECK(!mapsto_session_create(artifact, &session));
  CHECK(mapsto_session_run(session) == MAPSTO_INVALID);
  CHECK(strcmp(mapsto_session_error(session),
               "input `x` (f32[B, T]) is missing") == 0);
  bind(session, x, ids, 2, 3);
  CHECK(!mapsto_session_output_shape(session, 0, &y));
  CHECK(y.rank == 2 && y.dims[0] == 2 && y.dims[1] == 3 && !y.data);
  CHECK(!mapsto_session_run(session));
  CHECK(!mapsto_session_output(session, 0, &y));
  CHECK(!mapsto_session_output(session, 1, &sum));
  CHECK(((float *)y.data)[4] == 50 && y.bytes == 24);
  CHECK(((float *)sum.data)[0] == 321 && ((float *)sum.data)[1] == 654);
  /* State goes on; outputs may be the caller's. */
  float mine[2];
  CHECK(!mapsto_session_bind_output(session, 1, mine, sizeof mine));
  CHECK(!mapsto_session_run(session));
  CHECK(mine[0] == 642 && mine[1] == 1308);
  CHECK(!mapsto_session_read_state(session, 0, &state));
  CHECK(((float *)state.data)[1] == 1308);
  /* Another batch is refused until a reset. */
  bind(session, x, ids, 1, 3);
  CHECK(mapsto_session_run(session) == MAPSTO_INVALID);
  CHECK(!mapsto_session_reset(session));
  CHECK(!mapsto_session_run(session));
  CHECK(mine[0] == 321);
  mapsto_memory memory;
  CHECK(!mapsto_session_memory(session, &memory));
  CHECK(memory.arena_bytes == 64 && memory.arena_lower_bound == 64);
  mapsto_session_free(session);
}

struct job {
  mapsto_artifact *artifact;
  float offset;
  int good;
};

static void *runMany(void *argument) {
  struct job *job = argument;
  enum { B = 64, T = 500 };
  mapsto_session *session;
  float *x = malloc(sizeof(float) * B * T);
  int64_t *ids = calloc(T, sizeof(int64_t));
  for (int i = 0; i < B * T; i++)
    x[i] = job->offset;
  CHECK(!mapsto_session_create(job->artifact, &session));
  CHECK(!mapsto_session_set_threads(session, 4));
  job->good = 1;
  for (int run = 1; run <= 50; run++) {
    mapsto_tensor sum;
    bind(session, x, ids, B, T);
    CHECK(!mapsto_session_run(session));
    CHECK(!mapsto_session_output(session, 1, &sum));
    for (int b = 0; b < B; b++)
      job->good &= ((float *)sum.data)[b] == job->offset * T * (float)run;
  }
  mapsto_session_free(session);
  free(x);
  free(ids);
  return NULL;
}

static void checkThreads(mapsto_artifact *artifact) {
  enum { N = 4 };
  pthread_t threads[N];
  struct job jobs[N];
  for (int i = 0; i < N; i++) {
    jobs[i] = (struct job){artifact, (float)(i + 1), 0};
    CHECK(!pthread_create(&threads[i], NULL, runMany, &jobs[i]));
  }
  for (int i = 0; i < N; i++) {
    pthread_join(threads[i], NULL);
    CHECK(jobs[i].good);
  }
}

static void checkTypedCall(void) {
  mapsto_session *session = mapsto_open_session(&mapsto_model_image, NULL);
  float x[] = {1, 2}, y[2], sum[1];
  int64_t ids[] = {3, 0}, symbols[] = {1, 2};
  const void *inputs[] = {x, ids};
  void *outputs[] = {y, sum};
  CHECK(session != NULL);
  CHECK(!mapsto_session_call(session, inputs, symbols, outputs));
  CHECK(y[0] == 1000 && y[1] == 2 && sum[0] == 1002);
  ids[1] = -7;
  CHECK(mapsto_session_call(session, inputs, symbols, outputs) ==
        MAPSTO_RUN_FAILED);
  CHECK(strcmp(mapsto_session_error(session),
               "accumulate.mto:3:13: index -7 is out of range: it must be at "
               "least 0 and below 4 (kernel lookup)") == 0);
  mapsto_session_free(session);
}

#ifndef STATIC_TEST
/* A library cut anywhere is refused, or only lacks what nobody loads. */
static void checkTruncated(const char *path) {
  static char bytes[1 << 20];
  char cut[] = "/tmp/mapsto.XXXXXX";
  FILE *file = fopen(path, "rb");
  size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
  CHECK(size > 0 && size < sizeof bytes);
  if (file)
    fclose(file);
  int fd = mkstemp(cut);
  CHECK(fd >= 0);
  for (size_t n = 0; n < size; n += n < 256 ? 16 : size / 50) {
    mapsto_artifact *artifact;
    CHECK(pwrite(fd, bytes, n, 0) == (ssize_t)n);
    mapsto_status status = mapsto_artifact_open(cut, &artifact);
    CHECK(status == MAPSTO_BAD_ARTIFACT || n > size / 2);
    CHECK((status == MAPSTO_OK) == (artifact != NULL));
    mapsto_artifact_close(artifact);
  }
  close(fd);
  unlink(cut);
}
#endif

int main(int argc, char **argv) {
  mapsto_artifact *artifact;
  if (mapsto_artifact_from_image(&mapsto_model_image, NULL, &artifact)) {
    fprintf(stderr, "%s\n", mapsto_last_error());
    return 1;
  }
  checkSignature(artifact);
  checkRuns(artifact);
  checkThreads(artifact);
  checkTypedCall();
  mapsto_artifact_close(artifact);
#ifndef STATIC_TEST
  if (argc > 1) { /* a shared library of the same model */
    CHECK(!mapsto_artifact_open(argv[1], &artifact));
    if (artifact) {
      checkSignature(artifact);
      checkRuns(artifact);
    }
    mapsto_artifact_close(artifact);
    CHECK(mapsto_artifact_open("/nonexistent.so", &artifact) ==
          MAPSTO_BAD_ARTIFACT);
    CHECK(strcmp(mapsto_last_error(),
                 "/nonexistent.so: No such file or directory") == 0);
    CHECK(mapsto_artifact_open(argv[0], &artifact) == MAPSTO_BAD_ARTIFACT);
    checkTruncated(argv[1]);
  }
#endif
  if (!failures)
    puts("all well");
  return failures != 0;
}
