# What `cmake --install` adds to what each folder installs itself: the CMake
# package of the runtime, and the documents.

include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Mapsto")
configure_package_config_file(cmake/MapstoConfig.cmake.in "${PROJECT_BINARY_DIR}/MapstoConfig.cmake"
  INSTALL_DESTINATION "${package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_BINDIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/MapstoConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/MapstoConfig.cmake" "${PROJECT_BINARY_DIR}/MapstoConfigVersion.cmake"
  DESTINATION "${package_dir}")

install(DIRECTORY docs/ DESTINATION "${CMAKE_INSTALL_DOCDIR}" FILES_MATCHING PATTERN "*.md")
