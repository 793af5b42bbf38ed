# Compiler flags of every kanml target, each with its reason.

if(CMAKE_CXX_COMPILER_ID STREQUAL "MSVC")
  message(FATAL_ERROR "kanml uses the vector types of GCC and Clang, which cl.exe does not have. On Windows, "
                      "compile with clang-cl: -DCMAKE_CXX_COMPILER=clang-cl, with the generator Ninja")
endif()

# The family of processors that is compiled for. macOS can compile for others than its own.
set(KANML_PROCESSOR ${CMAKE_SYSTEM_PROCESSOR})
if(APPLE AND CMAKE_OSX_ARCHITECTURES)
  set(KANML_PROCESSOR ${CMAKE_OSX_ARCHITECTURES})
  list(LENGTH KANML_PROCESSOR number)
  if(number GREATER 1)
    message(FATAL_ERROR "CMAKE_OSX_ARCHITECTURES is \"${CMAKE_OSX_ARCHITECTURES}\", expected one: compile kanml for "
                        "each, and merge the extensions with lipo if you need to")
  endif()
endif()

# Options in the spelling of GCC and Clang, which clang-cl takes behind a prefix.
function(kanml_compile_options target scope)
  set(options ${ARGN})
  if(CMAKE_CXX_COMPILER_FRONTEND_VARIANT STREQUAL "MSVC")
    list(TRANSFORM options PREPEND "/clang:")
  endif()
  target_compile_options(${target} ${scope} ${options})
endfunction()

function(kanml_set_flags target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    POSITION_INDEPENDENT_CODE ON          # the core is linked into a shared extension
    CXX_VISIBILITY_PRESET hidden          # nothing but the module's init function is exported
    VISIBILITY_INLINES_HIDDEN ON)
  kanml_compile_options(${target} PRIVATE
    -Wall -Wextra -Wconversion
    -fno-math-errno                       # nobody reads errno; lets sqrt and floor be instructions
    -fno-trapping-math)                   # nobody reads the exception flags; NaN and infinity keep their meaning
  if(KANML_PROCESSOR MATCHES "x86_64|AMD64")
    kanml_compile_options(${target} PRIVATE -march=x86-64-v2)  # the oldest processor a wheel runs on
  endif()
endfunction()
