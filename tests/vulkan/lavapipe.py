"""Tests on Vulkan run on lavapipe, Mesa's driver for CPUs, under the validation
layer: a message of the layer fails the test."""

import json
import os
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
DRIVERS = [pathlib.Path(folder) / "vulkan" / "icd.d" for folder in ("/usr/share", "/usr/local/share", "/etc")]
LAYERS = [folder.parent / "explicit_layer.d" / "VkLayer_khronos_validation.json" for folder in DRIVERS]

# A device that is less than lavapipe: no subgroup arithmetic, and what Vulkan
# grants at least.
LEAST_LIMITS = {"MAPSTO_VULKAN_LIMITS": "subgroups=0,matrices=0,shared=16384,invocations=128"}
# Older layers do not know cooperative matrices, and would call every use wrong.
KNOWS_MATRICES = (1, 3, 255)


def layer_version():
    layer = next(layer for layer in LAYERS if layer.exists())
    return tuple(int(n) for n in json.loads(layer.read_text())["layer"]["api_version"].split("."))


def environment():
    """What a process needs to run on lavapipe alone, under validation; with
    MAPSTO_TEST_DRIVER=any on whatever devices the machine has (tools/bench-gpu)."""
    drivers = [driver for folder in DRIVERS for driver in sorted(folder.glob("lvp_icd*.json"))]
    if not drivers or not any(layer.exists() for layer in LAYERS):
        raise SystemExit("lavapipe or the Vulkan validation layer is not installed: tools/setup does that")
    build = os.environ.get("MAPSTO_BUILD", ".")
    chosen = {"MAPSTO_VULKAN_LIMITS": "", "VK_ICD_FILENAMES": str(drivers[0])}
    if os.environ.get("MAPSTO_TEST_DRIVER") == "any":
        chosen = {"MAPSTO_VULKAN_LIMITS": "" if layer_version() >= KNOWS_MATRICES else "matrices=0"}
    return chosen | {
        "VK_INSTANCE_LAYERS": "VK_LAYER_KHRONOS_validation",
        "VK_LAYER_SETTINGS_PATH": str(HERE),
        # Compiled shaders stay between tests.
        "MESA_SHADER_CACHE_DIR": f"{build}/mesa-shader-cache",
        "XDG_CACHE_HOME": f"{build}/cache",
    }


def messages(output):
    """The validation layer's messages in what a process wrote."""
    return re.findall(r"^.*Validation (?:Error|Warning|Performance|Information).*$", output, re.M)
