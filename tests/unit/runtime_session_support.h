//===- runtime_session_support.h - models made by hand, opened ------------===//

#ifndef MAPSTO_TESTS_RUNTIME_SESSION_SUPPORT_H
#define MAPSTO_TESTS_RUNTIME_SESSION_SUPPORT_H

#include "runtime/manifest_writer.h"
#include "runtime/mapsto.h"

#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <thread>

namespace mapsto::test {

/// A model with code, opened; and one session of it.
struct Model {
  std::vector<uint64_t> words;
  mapsto_image image{};
  mapsto_artifact *artifact = nullptr;
  mapsto_session *session = nullptr;

  Model(const ManifestModel &model, const mapsto_kernel_fn *kernels,
        const void *weights = nullptr, const char *directory = nullptr,
        const mapsto_backend *backend = nullptr) {
    std::vector<uint8_t> blob = serialize(model);
    words.resize(blob.size() / 8);
    memcpy(words.data(), blob.data(), blob.size());
    image = {MAPSTO_IMAGE_MAGIC,
             MAPSTO_IMAGE_VERSION,
             words.data(),
             blob.size(),
             kernels,
             model.kernels.size(),
             weights,
             weights ? model.weightsSize : 0,
             backend};
    if (!mapsto_artifact_from_image(&image, directory, &artifact))
      EXPECT_EQ(mapsto_session_create(artifact, &session), MAPSTO_OK);
  }
  Model(const Model &) = delete;
  ~Model() {
    mapsto_session_free(session);
    mapsto_artifact_close(artifact);
  }
  mapsto_status bind(size_t input, mapsto_dtype dtype,
                     std::vector<int64_t> dims, const void *data) {
    return mapsto_session_bind_input(session, input, dtype, dims.data(),
                                     int(dims.size()), data);
  }
  std::string run() {
    return mapsto_session_run(session) ? mapsto_session_error(session) : "";
  }
  std::string error() const { return mapsto_session_error(session); }
  template <typename T> std::vector<T> output(size_t index) {
    mapsto_tensor t;
    EXPECT_EQ(mapsto_session_output(session, index, &t), MAPSTO_OK);
    const T *data = static_cast<const T *>(t.data);
    return {data, data + t.bytes / sizeof(T)};
  }
};

/// Sessions of an artifact, each in a thread of its own: of how many `body`
/// holds.
inline int sessionsThatHold(
    mapsto_artifact *artifact, int callers,
    const std::function<bool(mapsto_session *, int caller)> &body) {
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int caller = 0; caller < callers; ++caller)
    threads.emplace_back([&, caller] {
      mapsto_session *session;
      if (mapsto_session_create(artifact, &session))
        return;
      good += body(session, caller);
      mapsto_session_free(session);
    });
  for (std::thread &thread : threads)
    thread.join();
  return good;
}

/// Has the session's steps added to `steps` from here on.
inline void collectSteps(mapsto_session *session,
                         std::vector<mapsto_step_time> &steps) {
  mapsto_session_on_step(
      session,
      [](void *user, const mapsto_step_time *time) {
        static_cast<std::vector<mapsto_step_time> *>(user)->push_back(*time);
      },
      &steps);
}

} // namespace mapsto::test

#endif // MAPSTO_TESTS_RUNTIME_SESSION_SUPPORT_H
