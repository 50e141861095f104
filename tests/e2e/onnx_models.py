"""Real models from their .onnx, as executables on either device: outputs equal to
those of ONNX Runtime. Skipped where the models are not there."""

import json
import pathlib
import re
import struct
import unittest

from support import ROOT, SANITIZED, Test, lavapipe, mapsto, run, write_npy

MODELS = ROOT.parent / "shared" / "models"
DEVICES = ("cpu",) if SANITIZED else ("cpu", "vulkan:0")  # sanitizers find the driver's leaks
WORDS = "down go left no off on right stop up yes".split()
# Of a voice detector: what a window is at 16 kHz, with the samples kept of the one before it.
WINDOW, CONTEXT = 512, 64


def read_npy(path):
    """The floats of a .npy file."""
    data = pathlib.Path(path).read_bytes()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])


@unittest.skipUnless(MODELS.exists(), "the models are not here (../shared/models)")
class OnnxModels(Test):
    def compile(self, model, *options):
        target = "cpu" if SANITIZED else "both"
        self.succeed(mapsto("compile", MODELS / model, "--target", target, *options, "-o", self.folder / "model"))

    def check(self, reference, *options, without=()):
        """The executable on the reference's inputs, less those that it was compiled for."""
        folder = MODELS / reference
        manifest = json.loads((folder / "manifest.json").read_text())
        line = [self.folder / "model", *options]
        for name, tensor in manifest["inputs"].items():
            if name not in without:
                line += ["--input", f"{name}=@{folder / tensor['file']}"]
        for name, tensor in manifest["outputs"].items():
            line += ["--expect", f"{name}=@{folder / tensor['file']}"]
        for device in DEVICES:
            with self.subTest(reference=reference, device=device):
                self.validate(run(*line, "--device", device, env=lavapipe.environment()))

    def kernels(self, model):
        summary = self.succeed(mapsto("inspect", MODELS / model)).stdout
        section = summary.split("\nkernels", 1)[1].split("\nschedule", 1)[0]
        return re.findall(r"^  \d+ +(\w+)", section, re.M)

    def test_voice_detector(self):
        for rate, references in {16000: ("silero_v6_16k", "silero_v6_16k_b3"), 8000: ("silero_v6_8k",)}.items():
            window = (CONTEXT + WINDOW) * rate // 16000
            self.compile("silero_vad/silero_vad.onnx", "--set", f"sr={rate}", "--dim", f"input_1={window}")
            for reference in references:
                self.check(f"silero_vad/{reference}", without=("sr",))

    def test_voice_detector_over_a_recording(self):
        """The state output is the next window's state: kept by the model, or passed by hand."""
        fixed = ["--set", "sr=16000", "--dim", f"input_1={CONTEXT + WINDOW}"]
        recording = (0.0,) * CONTEXT + read_npy(MODELS / "kwt1/kwt1_yes/in_0.npy")
        windows = [recording[i:i + CONTEXT + WINDOW] for i in range(0, len(recording) - CONTEXT - WINDOW + 1, WINDOW)]
        self.compile("silero_vad/silero_vad.onnx", *fixed)
        self.succeed(mapsto("compile", MODELS / "silero_vad/silero_vad.onnx", *fixed, "--carry", "stateN=state",
                            "--target", "cpu" if SANITIZED else "both", "-o", self.folder / "streaming"))
        for device in DEVICES:
            probabilities = []
            by_hand, kept = self.folder / "state.npy", self.folder / "kept.npy"
            for path in (by_hand, kept):
                write_npy(path, [2, 1, 128], [0.0] * 256)
            for i, window in enumerate(windows):
                write_npy(self.folder / "window.npy", [1, len(window)], window)
                common = ["--input", f"input=@{self.folder}/window.npy", "--device", device]
                self.succeed(run(self.folder / "model", *common, "--input", f"state=@{by_hand}", "--output",
                                 f"output=@{self.folder}/out.npy", "--output", f"stateN=@{by_hand}"))
                self.succeed(run(self.folder / "streaming", *common, "--state", f"state=@{kept}", "--save-state",
                                 f"state=@{kept}", "--expect", f"output=@{self.folder}/out.npy", "--rtol", "0"))
                probabilities += read_npy(self.folder / "out.npy")
                self.assertEqual(by_hand.read_bytes()[-1024:], kept.read_bytes()[-1024:], f"window {i}")
            # A word is in the middle of the second.
            self.assertGreater(max(probabilities), 0.5)
            self.assertLess(probabilities[0], 0.5)

    def test_spoken_words(self):
        self.compile("kwt1/kwt1.onnx")
        for word in WORDS:
            self.check(f"kwt1/kwt1_{word}")

    def test_llama(self):
        self.compile("stories260K/stories260K.onnx")
        for reference in ("ref_stories260K", "ref_stories260K_b2s17"):
            self.check(f"stories260K/{reference}")

    def test_one_attention_kernel_a_layer(self):
        self.assertEqual(self.kernels("kwt1/kwt1.onnx").count("attention"), 12)
        self.assertEqual(self.kernels("stories260K/stories260K.onnx").count("attention"), 5)


if __name__ == "__main__":
    unittest.main()
