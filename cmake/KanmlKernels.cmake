# The kernels, compiled once for each instruction set, each in a library and a namespace of its own.
# cpp/core/instruction_set.cpp chooses one when the program starts.

# Adds the kernels to the library `core`.
function(kanml_add_kernels core)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(targets v2 v3 v4)
  else()
    set(targets portable)
  endif()
  foreach(target IN LISTS targets)
    set(library kanml_kernels_${target})
    add_library(${library} STATIC ${ARGN})
    target_include_directories(${library} PRIVATE cpp cpp/include)
    kanml_set_flags(${library})
    target_compile_definitions(${library} PRIVATE KANML_TARGET=${target})
    target_compile_options(${library} PRIVATE
      -fopenmp-simd                       # vectors over samples where a pragma asks for them
      -ffp-contract=fast                  # fused multiply-adds, where the instruction set has them
      -Wno-psabi)                         # vectors of several registers never leave inlined functions
    if(NOT target STREQUAL "portable")
      target_compile_options(${library} PRIVATE -march=x86-64-${target})  # after the baseline's: the last one counts
    endif()
    if(target STREQUAL "v4")
      target_compile_options(${library} PRIVATE -mprefer-vector-width=512)  # half as many instructions
    endif()
    # The linker keeps one of several equal functions, so none may be shared between the libraries.
    add_custom_command(TARGET ${library} POST_BUILD VERBATIM
      COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DLIBRARY=$<TARGET_FILE:${library}> -DTARGET=${target}
              -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/RequireOwnNamespace.cmake)
    target_link_libraries(${core} PRIVATE ${library})
  endforeach()
endfunction()
