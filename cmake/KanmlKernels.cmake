# The kernels, compiled once for each instruction set, each in a library and a namespace of its own.
# cpp/core/runtime/instruction_set.cpp chooses one when the program starts.

# The instruction sets of this processor's family.
function(kanml_instruction_sets result)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(${result} v2 v3 v4 PARENT_SCOPE)
  else()
    set(${result} portable PARENT_SCOPE)
  endif()
endfunction()

# Compiles a library for one of them.
function(kanml_set_instruction_set library instruction_set)
  target_compile_options(${library} PRIVATE
    -ffp-contract=fast                    # fused multiply-adds, where the instruction set has them
    -Wno-psabi)                           # vectors of several registers never leave inlined functions
  if(NOT instruction_set STREQUAL "portable")
    target_compile_options(${library} PRIVATE -march=x86-64-${instruction_set})  # after the baseline's: the last one counts
  endif()
  if(instruction_set STREQUAL "v4")
    target_compile_options(${library} PRIVATE -mprefer-vector-width=512)  # half as many instructions
  endif()
endfunction()

# Adds the kernels to the library `core`.
function(kanml_add_kernels core)
  kanml_instruction_sets(sets)
  foreach(instruction_set IN LISTS sets)
    set(library kanml_kernels_${instruction_set})
    add_library(${library} STATIC ${ARGN})
    target_include_directories(${library} PRIVATE cpp cpp/include)
    kanml_set_flags(${library})
    kanml_set_instruction_set(${library} ${instruction_set})
    target_compile_definitions(${library} PRIVATE KANML_TARGET=${instruction_set})
    # The linker keeps one of several equal functions, so none may be shared between the libraries.
    add_custom_command(TARGET ${library} POST_BUILD VERBATIM
      COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DLIBRARY=$<TARGET_FILE:${library}> -DTARGET=${instruction_set}
              -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/RequireOwnNamespace.cmake)
    target_link_libraries(${core} PRIVATE ${library})
  endforeach()
endfunction()
