# Compiler flags of every kanml target, each with its reason.

function(kanml_set_flags target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    POSITION_INDEPENDENT_CODE ON          # the core is linked into a shared extension
    CXX_VISIBILITY_PRESET hidden          # nothing but the module's init function is exported
    VISIBILITY_INLINES_HIDDEN ON)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wconversion
    -fno-math-errno                       # nobody reads errno; lets sqrt and floor be instructions
    -fno-trapping-math)                   # nobody reads the exception flags; NaN and infinity keep their meaning
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(${target} PRIVATE -march=x86-64-v2)  # the oldest processor a wheel runs on
  endif()
endfunction()
