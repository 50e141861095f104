"""examples/stories260K.mto with real weights: reference logits, and tokens
generated with a key/value cache kept as state equal those recomputed from
scratch. Skipped where the weights are not there."""

import re
import unittest

from support import ROOT, SANITIZED, Test, lavapipe, mapsto, run

STORIES = ROOT.parent / "shared" / "models" / "stories260K"
MODEL = ROOT / "examples" / "stories260K.mto"
WEIGHTS = ["--weights", STORIES / "stories260K.safetensors"]
LENGTH = 12


@unittest.skipUnless(STORIES.exists(), "stories260K is not here")
class Stories(Test):
    def test_logits(self):
        for folder in ("ref_stories260K", "ref_stories260K_b2s17"):
            reference = STORIES / folder
            # Logits reach 20; five layers of f32 sums lie between.
            self.succeed(mapsto("run", MODEL, *WEIGHTS, "--input", f"input_ids=@{reference}/in_0.npy",
                                "--expect", f"logits=@{reference}/out_0.npy", "--atol", "5e-4", "--rtol", "1e-4"))

    @unittest.skipIf(SANITIZED, "sanitizers find the driver's leaks")
    def test_logits_on_vulkan(self):
        """The same executable on either device, within the same bounds."""
        self.succeed(mapsto("compile", MODEL, *WEIGHTS, "--target", "both", "-o", self.folder / "logits"))
        for folder in ("ref_stories260K", "ref_stories260K_b2s17"):
            reference = STORIES / folder
            for device in ("cpu", "vulkan:0"):
                self.validate(run(self.folder / "logits", "--device", device, env=lavapipe.environment(),
                                  *["--input", f"input_ids=@{reference}/in_0.npy", "--expect",
                                    f"logits=@{reference}/out_0.npy", "--atol", "5e-4", "--rtol", "1e-4"]))

    @unittest.skipIf(SANITIZED, "sanitizers find the driver's leaks")
    def test_tokens_on_vulkan(self):
        """Generated with a cache that stays on the device."""
        generate = ["--model", "Llama.generate", "--arg", f"length={LENGTH}", *WEIGHTS]
        prompt = ["--input", "input_ids=[[1,403,407,261,378]]"]
        on_cpu = self.succeed(mapsto("run", MODEL, *generate, *prompt))
        on_vulkan = self.validate(mapsto("run", MODEL, *generate, *prompt, "--device", "vulkan:0",
                                         env=lavapipe.environment()))
        self.assertEqual(on_vulkan.stdout, on_cpu.stdout)

    def test_tokens_with_a_cache(self):
        prompt = [1, 403, 407, 261, 378]
        self.succeed(mapsto("compile", MODEL, *WEIGHTS, "-o", self.folder / "logits"))
        text = list(prompt)
        for _ in range(LENGTH):
            ids = ",".join(map(str, text))
            self.succeed(run(self.folder / "logits", "--input", f"input_ids=[[{ids}]]",
                             "--output", f"logits=@{self.folder}/logits.npy"))
            text.append(self.likeliest(self.folder / "logits.npy"))
        result = self.succeed(mapsto("run", MODEL, "--model", "Llama.generate", "--arg", f"length={LENGTH}", *WEIGHTS,
                                     "--input", f"input_ids=[[{','.join(map(str, prompt))}]]"))
        self.assertEqual([int(n) for n in re.findall(r"\d+", result.stdout.split("\n", 1)[1])], text[len(prompt):])

    def test_state_on_the_command_line(self):
        """Half of a text, then the other half with the state of the first."""
        step = [MODEL, "--model", "Llama.step", *WEIGHTS]
        signature = self.succeed(mapsto("inspect", *step)).stdout
        states = re.findall(r"^  state +(\S+) +\w+\[", signature, re.M)
        self.assertEqual(len(states), 11)
        save = [f"--save-state={name}=@{self.folder}/{i}.npy" for i, name in enumerate(states)]
        load = [f"--state={name}=@{self.folder}/{i}.npy" for i, name in enumerate(states)]
        self.succeed(mapsto("run", *step, "--input", "input_ids=[[1,403,407]]", "--output", "logits", *save))
        self.succeed(mapsto("run", *step, "--input", "input_ids=[[261,378]]", *load,
                            "--output", f"logits=@{self.folder}/logits.npy"))
        continued = self.likeliest(self.folder / "logits.npy")
        self.succeed(mapsto("run", MODEL, *WEIGHTS, "--input", "input_ids=[[1,403,407,261,378]]",
                            "--output", f"logits=@{self.folder}/logits.npy"))
        self.assertEqual(continued, self.likeliest(self.folder / "logits.npy"))

    @staticmethod
    def likeliest(path):
        """The largest of the last row of a .npy file of logits."""
        import struct
        last = struct.unpack("<512f", path.read_bytes()[-512 * 4:])
        return last.index(max(last))


if __name__ == "__main__":
    unittest.main()
