mapsto_unit_test(dialect_test dialect
  SOURCES dims_test.cpp interpreter_test.cpp
  LIBRARIES MapstoDialect)
mapsto_use_mlir(dialect_test)
add_dependencies(dialect_test MapstoDialectIncGen)
