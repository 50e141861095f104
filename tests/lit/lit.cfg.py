# Runs the tests of this folder with the tools of the build tree.
import os
import lit.formats

config.name = "mapsto"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".mto", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.build_root, "tests", "lit")

for tool in ["mapsto", "mapsto-opt", "mapsto-lsp-server"]:
    config.environment["PATH"] = os.pathsep.join(
        [os.path.join(config.build_root, "tools", tool), config.environment["PATH"]])

# LLVM's own tools (split-file) last.
config.environment["PATH"] += os.pathsep + os.path.dirname(os.path.realpath(config.not_tool))

# Whole words only: `not` and `FileCheck` may have a version in their name.
config.substitutions.append((r"\bFileCheck\b", config.filecheck))
config.substitutions.append((r"(?<![\w-])not(?= )", config.not_tool))
config.substitutions.append(("%source", config.source_root))
