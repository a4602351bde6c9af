# Run by ctest with -P: install into a fresh prefix, then configure, build and run the consumer against it.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(lane -G ${generator} -DCMAKE_C_COMPILER=${cc} -DCMAKE_CXX_COMPILER=${cxx})
if(toolchain)
  list(APPEND lane --toolchain ${toolchain})
endif()
if(shared_from)
  set(tree ${scratch}/tree)
  run(${CMAKE_COMMAND} -S ${shared_from} -B ${tree} ${lane} -DBUILD_SHARED_LIBS=ON
    -DSENNIT_BUILD_TESTS=OFF -DSENNIT_BUILD_EXAMPLES=OFF -DSENNIT_BUILD_BENCH=OFF)
  run(${CMAKE_COMMAND} --build ${tree})
endif()

file(REMOVE_RECURSE ${scratch}/prefix ${scratch}/build)
run(${CMAKE_COMMAND} --install ${tree} --prefix ${scratch}/prefix)
run(${CMAKE_COMMAND} -S ${source} -B ${scratch}/build ${lane} -DCMAKE_PREFIX_PATH=${scratch}/prefix
  -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=BOTH -Dcomponents=${components} -Dgdb=${gdb})
run(${CMAKE_COMMAND} --build ${scratch}/build)
run(${ctest} --test-dir ${scratch}/build --output-on-failure)
