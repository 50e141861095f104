# The ONNX frontend. Its models are made here, message by message.
mapsto_unit_test(onnx_file_test onnx SOURCES onnx_file_test.cpp LIBRARIES MapstoOnnx)
mapsto_use_mlir(onnx_file_test)
