"""Every kind of artifact, from the command line and from C."""

import json
import os
import re
import unittest

from support import BUILD, GOLDEN, MODELS, ROOT, Test, mapsto, run

GOLD = GOLDEN / "seq_model"
MODEL = MODELS / "seq_model.mto"
WEIGHTS = ["--weights", GOLD / "weights.safetensors"]
DATA = ["--input", f"x=@{GOLD}/in.x.npy", "--expect", f"y=@{GOLD}/out.y.npy"]

PROGRAM = r"""
#include "model.h"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  float x[2 * 3] = {0.1f, 0.2f, 0.3f, 0.1f, 0.2f, 0.3f}, y[2] = {0, 1};
  seq_model_session *session = %s;
  if (!session) {
    printf("%%s\n", mapsto_last_error());
    return 1;
  }
  if (seq_model_run(session, x, 2, 3, y)) {
    printf("%%s\n", seq_model_error(session));
    return 1;
  }
  /* Equal rows of a batch have equal results, also in another batch. */
  float again = 2;
  if (y[0] != y[1] || seq_model_run(session, x, 1, 3, &again) || again != y[0])
    return 1;
  /* A size that makes no sense is refused, and said so. */
  if (seq_model_run(session, x, 1, -3, &again) == 0 || !*seq_model_error(session))
    return 1;
  seq_model_close(session);
  printf("%%.6f\n", y[0]);
  return 0;
}
"""


class Artifacts(Test):
    def compile(self, *options):
        return self.succeed(mapsto("compile", MODEL, *WEIGHTS, *options))

    def test_executable(self):
        self.compile("-o", self.folder / "model")
        self.succeed(run(self.folder / "model", *DATA))
        self.succeed(mapsto("run", self.folder / "model", *DATA))
        self.assertEqual(os.listdir(self.folder), ["model"])
        help_text = self.succeed(run(self.folder / "model", "--help")).stdout
        self.assertIn("f32[B, T, 1]", help_text)

    def test_executable_needs_the_c_library_alone(self):
        self.compile("-o", self.folder / "model")
        needed = run("readelf", "-d", self.folder / "model").stdout
        for library in re.findall(r"NEEDED.*\[(.*)\]", needed):
            self.assertRegex(library, r"^lib(c|m)\.so|^ld-linux")

    def test_static(self):
        self.compile("--static", "-o", self.folder / "model")
        self.assertNotIn("NEEDED", run("readelf", "-d", self.folder / "model").stdout)
        self.succeed(run(self.folder / "model", *DATA))

    def test_separate_weights(self):
        self.compile("--weights-separate", "-o", self.folder / "model")
        self.assertEqual(sorted(os.listdir(self.folder)), ["model", "model.weights"])
        self.succeed(run(self.folder / "model", *DATA))
        (self.folder / "sub").mkdir()
        for name in ("model", "model.weights"):
            os.rename(self.folder / name, self.folder / "sub" / name)
        self.succeed(run(self.folder / "sub/model", *DATA, cwd=self.folder))
        weights = self.folder / "sub/model.weights"
        whole = weights.read_bytes()
        weights.write_bytes(whole[:-1])
        self.refuse(run(self.folder / "sub/model", *DATA), "damaged")
        weights.write_bytes(b"\0" * len(whole))
        self.refuse(run(self.folder / "sub/model", *DATA), "not a Mapsto weights file")
        weights.unlink()
        self.refuse(run(self.folder / "sub/model", *DATA), "model.weights")

    def test_levels_agree(self):
        for level in "0123":
            self.succeed(mapsto("run", f"-O{level}", MODEL, *WEIGHTS, *DATA))

    def test_fixed_dim(self):
        self.compile("--dim", "T=50", "-o", self.folder / "model")
        self.succeed(run(self.folder / "model", *DATA))
        self.refuse(run(self.folder / "model", "--input", "x=random:1", "--dim", "T=51"), "T")
        values = "[[" + ",".join(["[1]"] * 49) + "]]"
        self.refuse(run(self.folder / "model", "--input", f"x={values}"), "50", "49")

    def test_shared_library(self):
        library = self.folder / "model.so"
        self.compile("--emit", "lib", "-o", library)
        self.assertEqual(sorted(os.listdir(self.folder)), ["model.h", "model.so"])
        self.succeed(mapsto("run", library, *DATA))
        self.run_c("seq_model_open()", library)

    def test_shared_library_with_separate_weights(self):
        library = self.folder / "model.so"
        self.compile("--emit", "lib", "--weights-separate", "-o", library)
        self.succeed(mapsto("run", library, *DATA))
        self.run_c('seq_model_open_at(argv[1])', library)

    def test_archive(self):
        archive = self.folder / "model.a"
        self.compile("--emit", "lib", "-o", archive)
        self.run_c("seq_model_open()", archive, "-lm")

    def run_c(self, opening, *link):
        (self.folder / "main.c").write_text(PROGRAM % opening)
        compiler = "cc" if run("sh", "-c", "command -v cc").returncode == 0 else "clang-22"
        self.succeed(run(compiler, "-Wall", "-Werror", "-std=c99", "-Wno-unused-parameter", "main.c", *link, "-Wl,-rpath,$ORIGIN",
                         "-o", "main", cwd=self.folder))
        result = self.succeed(run("./main", self.folder, cwd=self.folder))
        expected = self.succeed(mapsto("run", MODEL, *WEIGHTS, "--input", "x=[[[0.1],[0.2],[0.3]]]")).stdout
        got = float(re.search(r"\[\[(.*?)\]\]", expected).group(1))
        self.assertAlmostEqual(float(result.stdout), got, places=5)

    def test_object_with_the_runtime_of_a_host(self):
        """--emit obj: the program links libmapsto_runtime itself."""
        self.compile("--emit", "obj", "-o", self.folder / "model.o")
        (self.folder / "main.c").write_text("""
#include "runtime/mapsto.h"
#include <stdio.h>
extern const mapsto_image mapsto_image_seq_model;
int main(void) {
  mapsto_artifact *artifact;
  if (mapsto_artifact_from_image(&mapsto_image_seq_model, 0, &artifact))
    return puts(mapsto_last_error()), 1;
  puts(mapsto_model_name(artifact));
  mapsto_artifact_close(artifact);
  return 0;
}
""")
        compiler = "cc" if run("sh", "-c", "command -v cc").returncode == 0 else "clang-22"
        self.succeed(run(compiler, f"-I{ROOT}", "main.c", "model.o", BUILD / "runtime/libmapsto_runtime.a", "-lm",
                         "-o", "main", cwd=self.folder))
        self.assertEqual(self.succeed(run("./main", cwd=self.folder)).stdout, "SeqModel\n")

    def test_inspect_an_artifact(self):
        self.compile("-o", self.folder / "model")
        of_file = mapsto("inspect", MODEL, "--cpu", "x86-64-v3").stdout
        of_artifact = self.succeed(mapsto("inspect", self.folder / "model")).stdout
        self.assertEqual(of_file, of_artifact)
        for phase in ("graph", "optimized", "kernels", "loops", "llvm", "asm"):
            text = self.succeed(mapsto("inspect", "--phase", phase, self.folder / "model")).stdout
            self.assertGreater(len(text), 200)
        page = self.succeed(mapsto("inspect", "--html", self.folder / "model")).stdout
        self.assertTrue(page.startswith("<!doctype html>"))
        self.assertNotRegex(page, r"(src|href)=")

    def test_phases_as_text(self):
        for phase, word in (("graph", "mapsto.rnn"), ("optimized", "mapsto.scan"), ("kernels", "mapsto.launch"),
                            ("loops", "scf.for"), ("llvm", "define"), ("asm", ".text")):
            self.assertIn(word, self.succeed(mapsto("compile", MODEL, "--emit", phase)).stdout)

    def test_a_cpu_that_lacks_features(self):
        """Each of these has what the other has not, so one is not this one."""
        refused = 0
        for cpu in ("znver4", "sapphirerapids"):
            self.compile("--cpu", cpu, "-o", self.folder / "model")
            result = run(self.folder / "model", *DATA)
            if result.returncode:
                self.refuse(result, "CPU", code=1)
                refused += 1
        self.assertGreater(refused, 0)

    def test_other_architecture(self):
        self.compile("--emit", "obj", "--target-triple", "aarch64-linux-gnu", "-o", self.folder / "model.o")
        header = (self.folder / "model.o").read_bytes()[:20]
        self.assertEqual(header[18], 183)  # EM_AARCH64

    def test_bench_and_profile(self):
        """Kernel by kernel, with the share of this machine's limits, for everything that runs; inputs may be left out."""
        self.compile("-o", self.folder / "model")
        self.compile("--emit", "lib", "-o", self.folder / "model.so")
        trace = self.folder / "trace.json"
        for what in ([MODEL, *WEIGHTS], [self.folder / "model"], [self.folder / "model.so"]):
            sizes = ["--dim", "B=2", "--dim", "T=30", "--runs", "5", "--threads", "1"]
            text = self.succeed(mapsto("bench", *what, *sizes, "--profile", trace)).stdout
            self.assertRegex(text, r"inputs +x=random:1\n5 runs, 1 thread\nlatency +min .* p99")
            self.assertRegex(text, r"rate .*FLOP/s .*B/s +\d+% of roofline\n"
                                   r"limits .*FLOP/s; reads L1 .*B/s, .*memory .*B/s\n")
            self.assertRegex(text, r"\d+% (compute|L\d|memory) +\S+ \(scan\)")
            self.assertEqual(len(json.loads(trace.read_text())["traceEvents"]) % 5, 0)
            self.refuse(mapsto("bench", *what), "`x` is f32[B, T, 1]", "needs --dim B=16 --dim T=16")
        self.succeed(mapsto("run", MODEL, *WEIGHTS, *DATA, "--repeat", "3", "--profile", trace))
        self.assertEqual(len(json.loads(trace.read_text())["traceEvents"]) % 3, 0)


if __name__ == "__main__":
    unittest.main()
