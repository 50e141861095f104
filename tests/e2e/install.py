"""`cmake --install` gives a prefix that works on its own."""

import os
import unittest

from support import BUILD, GOLDEN, MODELS, ROOT, SANITIZED, Test, run

GOLD = GOLDEN / "seq_model"


class Install(Test):
    def setUp(self):
        super().setUp()
        self.prefix = self.folder / "prefix"
        self.succeed(run("cmake", "--install", BUILD, "--prefix", self.prefix))

    def test_everything_is_there(self):
        for name in ("bin/mapsto", "bin/mapsto-opt", "bin/mapsto-lsp-server", "include/mapsto.h",
                     "share/mapsto/std"):
            self.assertTrue((self.prefix / name).exists(), name)

    def test_tools_work_from_there(self):
        tool = self.prefix / "bin/mapsto"
        self.succeed(run(tool, "compile", MODELS / "seq_model.mto", "--weights", GOLD / "weights.safetensors",
                         "-o", self.folder / "model", cwd=self.folder))
        self.succeed(run(self.folder / "model", "--input", f"x=@{GOLD}/in.x.npy", "--expect", f"y=@{GOLD}/out.y.npy"))

    @unittest.skipIf(SANITIZED, "the installed runtime is the ordinary one")
    def test_cmake_package(self):
        """A C program that opens a compiled library, built by CMake."""
        tool = self.prefix / "bin/mapsto"
        self.succeed(run(tool, "compile", MODELS / "seq_model.mto", "--weights", GOLD / "weights.safetensors",
                         "--emit", "lib", "-o", self.folder / "model.so"))
        project = self.folder / "project"
        project.mkdir()
        (project / "CMakeLists.txt").write_text("""
cmake_minimum_required(VERSION 3.20)
project(Host C)
find_package(Mapsto REQUIRED)
add_executable(host host.c)
target_link_libraries(host PRIVATE Mapsto::Runtime)
""")
        (project / "host.c").write_text("""
#include <mapsto.h>
#include <stdio.h>
int main(int argc, char **argv) {
  mapsto_artifact *artifact;
  mapsto_session *session;
  mapsto_tensor y;
  float x[4] = {0.1f, 0.2f, 0.3f, 0.4f};
  int64_t dims[] = {1, 4, 1};
  if (argc < 2 || mapsto_artifact_open(argv[1], &artifact))
    return puts(mapsto_last_error()), 1;
  if (mapsto_session_create(artifact, &session) ||
      mapsto_session_bind_input(session, 0, MAPSTO_F32, dims, 3, x) ||
      mapsto_session_run(session) || mapsto_session_output(session, 0, &y))
    return puts(mapsto_session_error(session)), 1;
  printf("%d %lld\\n", y.rank, (long long)y.dims[0]);
  mapsto_session_free(session);
  mapsto_artifact_close(artifact);
  return 0;
}
""")
        compiler = "cc" if run("sh", "-c", "command -v cc").returncode == 0 else "clang-22"
        self.succeed(run("cmake", "-G", "Ninja", "-S", project, "-B", project / "build",
                         f"-DCMAKE_PREFIX_PATH={self.prefix}",
                         f"-DCMAKE_C_COMPILER={compiler}"))
        self.succeed(run("cmake", "--build", project / "build"))
        result = self.succeed(run(project / "build/host", self.folder / "model.so"))
        self.assertEqual(result.stdout, "2 1\n")


if __name__ == "__main__":
    unittest.main()
