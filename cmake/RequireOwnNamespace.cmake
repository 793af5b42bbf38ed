# Fails if a library of kernels defines a function that the linker could merge with one of another.
execute_process(COMMAND ${NM} --defined-only --demangle ${LIBRARY}
                OUTPUT_VARIABLE symbols RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${NM} cannot read ${LIBRARY}")
endif()
string(REGEX MATCHALL "[^\n]+ [VWu] [^\n]+" mergeable "${symbols}")
list(FILTER mergeable EXCLUDE REGEX "kanml::(kernels|point)::${TARGET}::")
list(FILTER mergeable EXCLUDE REGEX " V DW\\.ref\\.")  # a pointer, which sanitizers add for exceptions
if(mergeable)
  list(JOIN mergeable "\n" mergeable)
  message(FATAL_ERROR "${LIBRARY} defines functions outside of its namespace:\n${mergeable}")
endif()
