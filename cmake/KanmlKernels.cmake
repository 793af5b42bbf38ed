# The kernels, compiled once for each instruction set, each in a library and a namespace of its own.
# cpp/core/runtime/instruction_set.cpp chooses one when the program starts.

set(KANML_INSTRUCTION_SETS native CACHE STRING
  "What the kernels are compiled for: native (the best of this machine), all, or a list such as v3\;v4; the baseline always")

# The instruction sets of this processor's family: the baseline first, the best last.
function(kanml_known_instruction_sets result)
  if(KANML_PROCESSOR MATCHES "x86_64|AMD64")
    set(${result} v2 v3 v4 PARENT_SCOPE)
  else()
    set(${result} portable PARENT_SCOPE)
  endif()
endfunction()

function(kanml_full_name result instruction_set)
  if(instruction_set STREQUAL "portable")
    set(${result} portable PARENT_SCOPE)
  else()
    set(${result} x86-64-${instruction_set} PARENT_SCOPE)
  endif()
endfunction()

# The best set of the machine that configures, or all of `known` where no test can be run.
function(kanml_native_instruction_sets result known)
  list(LENGTH known number)
  if(number GREATER 1 AND NOT CMAKE_CROSSCOMPILING)
    unset(kanml_best_set CACHE)  # the build folder may have come from another machine
    try_run(kanml_best_set compiled "${PROJECT_BINARY_DIR}/best_of_processor"
      "${PROJECT_SOURCE_DIR}/cmake/best_of_processor.cpp"
      CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${PROJECT_SOURCE_DIR}/cpp")
    if("v${kanml_best_set}" IN_LIST known)
      set(known v${kanml_best_set})
    else()
      message(STATUS "The best instruction set of this machine is unknown")
    endif()
  endif()
  set(${result} ${known} PARENT_SCOPE)
endfunction()

# The sets to compile, in the order of those known. The baseline is always there: so a build runs on
# every machine.
function(kanml_chosen_instruction_sets result)
  kanml_known_instruction_sets(known)
  if(KANML_INSTRUCTION_SETS STREQUAL "all")
    set(wanted ${known})
  elseif(KANML_INSTRUCTION_SETS STREQUAL "native")
    kanml_native_instruction_sets(wanted "${known}")
  else()
    set(wanted ${KANML_INSTRUCTION_SETS})
  endif()
  foreach(instruction_set IN LISTS wanted)
    if(NOT instruction_set IN_LIST known)
      message(FATAL_ERROR "KANML_INSTRUCTION_SETS is \"${KANML_INSTRUCTION_SETS}\", expected native, all, "
                          "or some of ${known}")
    endif()
  endforeach()
  list(GET known 0 chosen)
  foreach(instruction_set IN LISTS known)
    if(instruction_set IN_LIST wanted)
      list(APPEND chosen ${instruction_set})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES chosen)
  set(${result} ${chosen} PARENT_SCOPE)
endfunction()

# Compiles a library for one of them.
function(kanml_set_instruction_set library instruction_set)
  kanml_compile_options(${library} PRIVATE
    -ffp-contract=fast                    # fused multiply-adds, where the instruction set has them
    -Wno-psabi)                           # vectors of several registers never leave inlined functions
  if(NOT instruction_set STREQUAL "portable")
    kanml_full_name(name ${instruction_set})
    kanml_compile_options(${library} PRIVATE -march=${name})  # after the baseline's: the last one counts
  endif()
  if(instruction_set STREQUAL "v4")
    kanml_compile_options(${library} PRIVATE -mprefer-vector-width=512)  # half as many instructions
  endif()
endfunction()

# Adds the kernels to the library `core`.
function(kanml_add_kernels core)
  kanml_chosen_instruction_sets(sets)
  message(STATUS "Kernels are compiled for ${sets} (KANML_INSTRUCTION_SETS=${KANML_INSTRUCTION_SETS})")
  foreach(instruction_set IN LISTS sets)
    set(library kanml_kernels_${instruction_set})
    add_library(${library} STATIC ${ARGN})
    target_include_directories(${library} PRIVATE cpp cpp/include)
    kanml_set_flags(${library})
    kanml_set_instruction_set(${library} ${instruction_set})
    target_compile_definitions(${library} PRIVATE KANML_TARGET=${instruction_set})
    # The linker keeps one of several equal functions, so none may be shared between the libraries. The
    # namespaces are the same everywhere; their check reads what nm says of ELF files.
    if(UNIX AND NOT APPLE)
      add_custom_command(TARGET ${library} POST_BUILD VERBATIM
        COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DLIBRARY=$<TARGET_FILE:${library}> -DTARGET=${instruction_set}
                -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/RequireOwnNamespace.cmake)
    endif()
    target_link_libraries(${core} PRIVATE ${library})
    kanml_full_name(name ${instruction_set})
    string(APPEND KANML_COMPILED_TARGETS " f(${instruction_set}, \"${name}\")")
  endforeach()
  configure_file(cmake/compiled_targets.hpp.in generated/compiled_targets.hpp @ONLY)
  target_include_directories(${core} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/generated)
endfunction()
