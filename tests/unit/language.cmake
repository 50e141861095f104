foreach(subject IN ITEMS elaborate errors golden models reference robustness)
  mapsto_unit_test(language_${subject}_test language
    SOURCES language_${subject}_test.cpp
    LIBRARIES MapstoLanguage MapstoInterpreter MapstoWeights)
  mapsto_use_mlir(language_${subject}_test)
endforeach()
