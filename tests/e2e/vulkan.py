"""Models on Vulkan devices, as users meet them: on Mesa's for CPUs, watched by
validation and synchronisation validation, of which a word fails the test."""

import json
import re
import unittest

from support import BUILD, MAPSTO, ROOT, Test, lavapipe, mapsto, run

# Several kernels, one of them a transpose; results that are exact whatever a device makes of the order.
POINTWISE = """fn pointwise(x: f32[M, N], y: f32[M, N]) -> (z: f32[M, N], t: f32[N, M]) {
  a = x + y
  z = a * 2 - y
  t = transpose(a * 4)
}
"""
DATA = ["--input", "x=random:1:9", "--input", "y=random:2:9", "--dim", "M=3", "--dim", "N=7"]

SUMS = """model Sums {
  state total: f32[N]
  state rounds: i64[]
  (x: f32[N]) -> (y: f32[N]) {
    total = total + x
    rounds = rounds + 1
    y = total * 2
  }
}
"""

THREADS = r"""
#include "runtime/mapsto.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4, RUNS = 20, M = 5, N = 33 };
static mapsto_artifact *artifact;

static void *work(void *argument) {
  long seed = (long)argument;
  mapsto_session *session;
  if (mapsto_session_create(artifact, &session))
    return (void *)mapsto_last_error();
  if (mapsto_session_set_device(session, "vulkan"))
    return (void *)mapsto_session_error(session);
  for (int run = 0; run < RUNS; ++run) {
    static __thread float x[M * N], y[M * N];
    int rows = 1 + (run + (int)seed) % M; /* sizes change between runs */
    int64_t dims[] = {rows, N};
    for (int i = 0; i < rows * N; ++i)
      x[i] = (float)(i + run), y[i] = (float)seed;
    mapsto_tensor z;
    if (mapsto_session_bind_input(session, 0, MAPSTO_F32, dims, 2, x) ||
        mapsto_session_bind_input(session, 1, MAPSTO_F32, dims, 2, y) ||
        mapsto_session_run(session) || mapsto_session_output(session, 0, &z))
      return (void *)mapsto_session_error(session);
    for (int i = 0; i < rows * N; ++i)
      if (((float *)z.data)[i] != (x[i] + y[i]) * 2 - y[i])
        return (void *)"a wrong result";
  }
  mapsto_session_free(session);
  return 0;
}

int main(int argc, char **argv) {
  if (mapsto_artifact_open(argv[1], &artifact))
    return puts(mapsto_last_error()), 1;
  pthread_t threads[THREADS];
  int failed = 0;
  for (long i = 0; i < THREADS; ++i)
    pthread_create(&threads[i], 0, work, (void *)i);
  for (int i = 0; i < THREADS; ++i) {
    void *error;
    pthread_join(threads[i], &error);
    if (error)
      failed = 1, puts((const char *)error);
  }
  mapsto_artifact_close(artifact);
  return failed;
}
"""


class Vulkan(Test):
    def setUp(self):
        super().setUp()
        self.env = {**lavapipe.environment(), "XDG_CACHE_HOME": str(self.folder / "cache"), "MAPSTO_DEVICE": ""}

    def model(self, text=POINTWISE):
        path = self.folder / "model.mto"
        path.write_text(text)
        return path

    def compile(self, *options, text=POINTWISE, name="model"):
        out = self.folder / name
        self.succeed(mapsto("compile", self.model(text), "-o", out, *options))
        return out

    def on(self, program, *arguments, **env):
        always = self.env["MAPSTO_VULKAN_LIMITS"]
        if always and env.get("MAPSTO_VULKAN_LIMITS"):
            env["MAPSTO_VULKAN_LIMITS"] += f",{always}"
        result = run(program, *arguments, env={**self.env, **env})
        self.assertEqual(lavapipe.messages(result.stdout + result.stderr), [])
        return result

    def results(self, program, *arguments, **env):
        return self.succeed(self.on(program, *arguments, **env)).stdout


class Devices(Vulkan):
    def test_inspect_lists_shaders(self):
        model = self.folder / "pointwise.mto"
        model.write_text(POINTWISE)
        text = self.succeed(mapsto("inspect", model, "--target", "both", "--dim", "M=3", "--dim", "N=7")).stdout
        self.assertRegex(text, r"shaders \(3, one dispatch a launch\)")
        self.assertRegex(text, r"0 +add +(invocations, |workgroups of )\d+ +\d+ +\d+ +[\d.]+ kB\n +for any device")
        self.assertNotIn("shaders", self.succeed(mapsto("inspect", model)).stdout)

    def test_devices(self):
        text = self.results(MAPSTO, "devices")
        self.assertRegex(text, r"vulkan:0\n  name +\S.*\(.*\)\n  driver +\S.*, Vulkan 1\.\d\n")
        for row in ("memory", "workgroup", "buffers", "features"):
            self.assertRegex(text, rf"\n  {row} +\S")
        self.assertEqual("lowered" in text, bool(self.env["MAPSTO_VULKAN_LIMITS"]))
        text = self.results(MAPSTO, "devices", MAPSTO_VULKAN_LIMITS="shared=16384,subgroups=0")
        self.assertIn("16 KiB shared", text)
        self.assertNotIn("subgroup arithmetic", text)
        self.assertRegex(text, r"lowered +shared=16384,subgroups=0")

    def test_one_executable_for_two_devices(self):
        program = self.compile("--target", "both")
        expected = self.results(program, *DATA)
        for device in ("cpu", "vulkan", "vulkan:0"):
            self.assertEqual(self.results(program, *DATA, "--device", device), expected)
        self.assertEqual(self.results(program, *DATA, MAPSTO_DEVICE="vulkan:0"), expected)
        self.assertEqual(self.results(program, *DATA, "--device", "cpu", MAPSTO_DEVICE="vulkan:9"), expected)
        self.assertIn("compiled for: `cpu` and `vulkan`", self.results(program, "--help"))
        needed = run("readelf", "-d", program).stdout
        for library in re.findall(r"NEEDED.*\[(.*)\]", needed):
            self.assertRegex(library, r"^lib(c|m)\.so|^ld-linux")

    def test_a_model_file(self):
        expected = self.results(self.compile(), *DATA)
        for options in (["--device", "vulkan"], ["--target", "both"], ["--target", "both", "--device", "vulkan:0"],
                        ["--target", "vulkan"]):
            self.assertEqual(self.results(MAPSTO, "run", self.model(), *DATA, *options), expected)

    def test_vulkan_alone(self):
        program = self.compile("--target", "vulkan")
        self.assertEqual(self.results(program, *DATA), self.results(self.compile(name="cpu"), *DATA))
        self.assertIn("compiled for: `vulkan`", self.results(program, "--help"))
        self.refuse(self.on(program, *DATA, "--device", "cpu"), "was compiled for `vulkan`, not `cpu`")
        # There is nothing to fall back to.
        self.refuse(self.on(program, *DATA, VK_ICD_FILENAMES="/nowhere"), "there is no Vulkan driver", code=1)

    def test_libraries_and_objects(self):
        expected = self.results(self.compile(), *DATA)
        library = self.compile("--emit", "lib", "--target", "both", name="model.so")
        self.assertEqual(self.results(MAPSTO, "run", library, *DATA, "--device", "vulkan"), expected)
        (self.folder / "main.c").write_text(r"""
#include "runtime/cli.h"
extern const mapsto_image mapsto_image_pointwise;
int main(int argc, char **argv) { return mapsto_cli_main(&mapsto_image_pointwise, argc, argv); }
""")
        archive = self.compile("--emit", "lib", "--target", "both", name="model.a")
        object_file = self.compile("--emit", "obj", "--target", "both", name="model.o")
        runtime = [BUILD / "runtime/libmapsto_vulkan.a", BUILD / "runtime/libmapsto_runtime.a"]
        for link in ([archive], [object_file, *runtime]):
            self.succeed(run("clang-22", f"-I{ROOT}", "main.c", *link, "-lm", "-o", "main", cwd=self.folder))
            self.assertEqual(self.results(self.folder / "main", *DATA, "--device", "vulkan"), expected)

    def test_static(self):
        self.refuse(mapsto("compile", self.model(), "--static", "--target", "both", "-o", self.folder / "model"),
                    "--static", "--target cpu")


class Without(Vulkan):
    """Machines that lack something."""

    def test_no_loader(self):
        """Files that are no libraries stand before the loader: it cannot be opened."""
        program = self.compile("--target", "both")
        hidden = self.folder / "hidden"
        hidden.mkdir()
        for name in ("libvulkan.so.1", "libvulkan.so"):
            (hidden / name).touch()
        env = {"LD_LIBRARY_PATH": str(hidden)}
        expected = self.results(program, *DATA, **env)
        result = self.succeed(self.on(program, *DATA, "--device", "vulkan", **env))
        self.assertEqual(result.stdout, expected)
        self.assertEqual(result.stderr, "note: there is no Vulkan loader (libvulkan.so.1): running on the CPU\n")
        self.assertEqual(self.succeed(self.on(program, *DATA, MAPSTO_DEVICE="vulkan", **env)).stderr, result.stderr)
        # A device by its number is meant.
        self.refuse(self.on(program, *DATA, "--device", "vulkan:0", **env), "there is no Vulkan loader", code=1)
        self.assertRegex(self.results(MAPSTO, "devices", **env),
                         r"vulkan\n  there is no Vulkan loader \(libvulkan.so.1\)\n$")

    def test_no_driver(self):
        program = self.compile("--target", "both")
        result = self.succeed(self.on(program, *DATA, "--device", "vulkan", VK_ICD_FILENAMES="/nowhere"))
        self.assertRegex(result.stderr, r"^note: .*no Vulkan driver.*: running on the CPU\n$")
        self.assertEqual(result.stdout, self.results(program, *DATA))

    def test_no_such_device(self):
        both, cpu = self.compile("--target", "both"), self.compile(name="cpu")
        self.refuse(self.on(both, *DATA, "--device", "vulkan:99"), "there is no Vulkan device 99: this machine has")
        for device in ("cuda", "vulkan:", "vulkan:x", "vulkan:-1", "vulkanic"):
            self.refuse(self.on(both, *DATA, "--device", device), "was compiled for `cpu` and `vulkan`", device)
        self.refuse(self.on(cpu, *DATA, "--device", "vulkan"), "was compiled for `cpu`, not `vulkan`")
        # A wish for all models, which this one cannot fulfil.
        result = self.succeed(self.on(cpu, *DATA, MAPSTO_DEVICE="vulkan"))
        self.assertRegex(result.stderr, r"^note: MAPSTO_DEVICE is `vulkan`.*: running on the CPU\n$")

    def test_a_feature(self):
        """Told before anything runs."""
        text = "fn wide(x: i64[N]) -> (y: i64[N]) { x * 3 }\n"
        program = self.compile("--target", "both", text=text)
        self.refuse(self.on(program, "--input", "x=1,2", "--device", "vulkan", MAPSTO_VULKAN_LIMITS="int64=0"),
                    "lacks what kernel", "64-bit integers", code=1)

    def test_memory(self):
        program = self.compile("--target", "both")
        self.refuse(self.on(program, *DATA, "--device", "vulkan", MAPSTO_VULKAN_LIMITS="memory=100"),
                    "the device's memory is out", "bytes", code=1)
        self.refuse(self.on(program, *DATA, "--device", "vulkan", MAPSTO_VULKAN_LIMITS="range=64"),
                    "`x` (f32[M, N]) takes 84 bytes", "can see 64 of one tensor", code=1)

    def test_lowered_limits(self):
        program = self.compile("--target", "both")
        expected = self.results(program, *DATA)
        for limits in ("mapped=0", "timeline=0", "timestamps=0", "alignment=256", "groups=1", "invocations=1",
                       "shared=16384,invocations=128,subgroups=0", "mapped=0,timeline=0,alignment=256"):
            with self.subTest(limits):
                self.assertEqual(self.results(program, *DATA, "--device", "vulkan", MAPSTO_VULKAN_LIMITS=limits), expected)
        for wrong in ("nothing=1", "shared", "shared=", "shared=1;range=2"):
            self.refuse(self.on(program, *DATA, "--device", "vulkan", MAPSTO_VULKAN_LIMITS=wrong), "MAPSTO_VULKAN_LIMITS",
                        code=1)


class Sessions(Vulkan):
    def test_states(self):
        """Kept on the device between runs, read and written from outside."""
        program = self.compile("--target", "both", text=SUMS)
        sums = ["--input", "x=1,2,3", "--state", "total=10,20,30", "--repeat", "5"]
        saved = [f"--save-state={name}=@{self.folder}/{{}}.{name}.npy" for name in ("total", "rounds")]
        expected = self.results(program, *sums, *(s.format("cpu") for s in saved))
        for limits in ("", "mapped=0"):
            self.assertEqual(self.results(program, *sums, "--device", "vulkan", *(s.format("vulkan") for s in saved),
                                          MAPSTO_VULKAN_LIMITS=limits), expected)
            for name in ("total", "rounds"):
                self.assertEqual((self.folder / f"vulkan.{name}.npy").read_bytes(),
                                 (self.folder / f"cpu.{name}.npy").read_bytes())

    def test_several_threads(self):
        library = self.compile("--emit", "lib", "--target", "both", name="model.so")
        (self.folder / "main.c").write_text(THREADS)
        self.succeed(run("clang-22", f"-I{ROOT}", "main.c", BUILD / "runtime/libmapsto_runtime.a", "-lm", "-lpthread",
                         "-o", "main", cwd=self.folder))
        for limits in ("", "mapped=0", "timeline=0"):
            self.results(self.folder / "main", library, MAPSTO_VULKAN_LIMITS=limits)

    def test_times(self):
        program = self.compile("--target", "both")
        text = self.results(program, *DATA, "--device", "vulkan", "--bench", "5")
        self.assertRegex(text, r"5 runs on vulkan\nlatency +min .* p99")
        kernels = len(re.findall(r"\d+\.\d% .* \(\w+\)$", text, re.M))
        self.assertGreater(kernels, 0)
        self.assertNotIn("roofline", self.results(MAPSTO, "bench", self.model(), *DATA[4:], "--device", "vulkan",
                                                  "--runs", "3"))
        trace = self.folder / "trace.json"
        for limits in ("", "timestamps=0"):
            self.results(program, *DATA, "--device", "vulkan", "--repeat", "3", "--profile", trace,
                         MAPSTO_VULKAN_LIMITS=limits)
            events = json.loads(trace.read_text())["traceEvents"]
            self.assertEqual(len(events), 3 * kernels)
            self.assertTrue(all(event["dur"] > 0 for event in events))
            ends = [event["ts"] + event["dur"] for event in events]
            self.assertTrue(all(end <= event["ts"] + 1e-3 for end, event in zip(ends, events[1:])))


class PipelineCache(Vulkan):
    def files(self):
        return sorted((self.folder / "cache/mapsto").glob("*"))

    def test_is_kept(self):
        program = self.compile("--target", "both")
        arguments = [*DATA, "--device", "vulkan"]
        expected = self.results(program, *arguments)
        [file] = self.files()
        self.assertRegex(file.name, r"^vulkan-[0-9a-f-]+$")
        whole, written = file.read_bytes(), file.stat().st_mtime_ns
        # What a second process compiles was there: it has nothing to write.
        self.assertEqual(self.results(program, *arguments), expected)
        self.assertEqual((file.read_bytes(), file.stat().st_mtime_ns), (whole, written))
        # Damaged, cut short, of another device: not used, and replaced.
        for wrong in (b"", whole[:-1], whole + b"x", whole[:-1] + bytes([whole[-1] ^ 1]), b"x" * len(whole)):
            file.write_bytes(wrong)
            self.assertEqual(self.results(program, *arguments), expected)
            self.assertEqual(file.read_bytes(), whole)
        self.assertEqual(self.files(), [file])

    def test_cannot_be_written(self):
        program = self.compile("--target", "both")
        arguments = [*DATA, "--device", "vulkan"]
        (self.folder / "file").touch()
        expected = self.results(program, *DATA)
        for env in ({"XDG_CACHE_HOME": str(self.folder / "file")}, {"XDG_CACHE_HOME": "/proc/1/none"},
                    {"XDG_CACHE_HOME": "", "HOME": ""}, {"XDG_CACHE_HOME": "relative", "HOME": "/proc/1/none"}):
            result = self.succeed(self.on(program, *arguments, **env))
            self.assertEqual((result.stdout, result.stderr), (expected, ""))
        home = self.folder / "home"
        home.mkdir()
        self.results(program, *arguments, XDG_CACHE_HOME="", HOME=str(home))
        self.assertEqual(len(list((home / ".cache/mapsto").glob("vulkan-*"))), 1)


if __name__ == "__main__":
    unittest.main()
