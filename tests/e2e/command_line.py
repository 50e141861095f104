"""The command line itself: help, suggestions, exit codes, the formatter."""

import unittest

from support import MODELS, ROOT, Test, mapsto

COMMANDS = ("compile", "run", "bench", "inspect", "verify", "import", "fmt", "devices")


class CommandLine(Test):
    def test_help(self):
        text = self.succeed(mapsto("help")).stdout
        self.assertEqual(self.succeed(mapsto("--help")).stdout, text)
        self.assertEqual(self.succeed(mapsto()).stdout, text)
        for command in COMMANDS:
            self.assertIn(f"  {command} ", text)
            own = self.succeed(mapsto(command, "--help")).stdout
            self.assertEqual(self.succeed(mapsto("help", command)).stdout, own)
            self.assertTrue(own.startswith(f"usage: mapsto {command}"))
        self.assertRegex(self.succeed(mapsto("--version")).stdout, r"^mapsto \d+\.\d+\.\d+\n$")

    def test_the_page_is_up_to_date(self):
        page = (ROOT / "docs" / "command-line.md").read_text()
        for command in COMMANDS:
            self.assertIn(mapsto("help", command).stdout, page)
        self.assertIn(mapsto("help").stdout, page)

    def test_suggestions(self):
        self.refuse(mapsto("complie"), "did you mean `compile`?")
        self.refuse(mapsto("zebra"), "mapsto help")
        self.refuse(mapsto("compile", "x.mto", "--emti", "obj"), "did you mean `--emit`?")
        self.refuse(mapsto("compile", "x.mto", "--input", "x=1"), "`mapsto run` has it")
        self.refuse(mapsto("run", "x.mto", "--static"), "`mapsto compile` has it")

    def test_misuse(self):
        self.refuse(mapsto("compile"), "no file given", "usage: mapsto compile MODEL -o OUT")
        self.refuse(mapsto("compile", "a.mto", "b.mto"), "one file too many")
        self.refuse(mapsto("compile", "a.mto", "-o"), "needs a value")
        self.refuse(mapsto("compile", "a.mto", "--static=yes"), "takes no value")
        self.refuse(mapsto("compile", "a.mto", "--emit", "exr", "-o", "x"), "--emit needs")
        self.refuse(mapsto("compile", "a.mto", "-O9", "-o", "x"), "-O")

    def test_devices(self):
        self.assertIn("vectors", self.succeed(mapsto("devices")).stdout)
        self.assertIn("x86-64-v3", self.succeed(mapsto("devices", "--cpus")).stdout)
        self.assertRegex(self.succeed(mapsto("devices", "--limits", "--threads", "1")).stdout,
                         r"^1 thread: [\d.]+ GFLOP/s; read L1 [\d.]+, .*memory [\d.]+ GB/s\n$")
        self.refuse(mapsto("devices", "--limits", "--threads", "0"), "--threads needs a number from 1 to")

    def test_fmt(self):
        path = self.folder / "m.mto"
        path.write_text("fn   f( x:f32[B] )->f32[B]{x+1}\n")
        self.refuse(mapsto("fmt", "--check", path), code=1)
        self.succeed(mapsto("fmt", path))
        once = path.read_text()
        self.assertIn("fn f(x: f32[B])", once)
        self.succeed(mapsto("fmt", "--check", path))
        self.succeed(mapsto("fmt", path))
        self.assertEqual(path.read_text(), once)
        path.write_text("fn f(\n")
        self.refuse(mapsto("fmt", path), "m.mto:")
        self.assertEqual(path.read_text(), "fn f(\n")

    def test_inspect_sizes(self):
        model = MODELS / "encoder_prenorm.mto"
        symbolic = self.succeed(mapsto("inspect", model)).stdout
        self.assertIn("give --dim B=... --dim T=... for the peak", symbolic)
        known = self.succeed(mapsto("inspect", model, "--dim", "B=1", "--dim", "T=64")).stdout
        self.assertRegex(known, r"peak +[0-9.]+ kB")
        self.refuse(mapsto("inspect", model, "--dim", "Zebra=3"), "Zebra")
        self.refuse(mapsto("inspect", model, "--phase", "loop"), "--phase")


if __name__ == "__main__":
    unittest.main()
