# The scheduler's suite, and one test that is built as users build their fastest binaries.
set(sched_tests cpu_count_linux_test.cpp cpu_count_test.cpp deadlock_test.cpp exhaustion_test.cpp fairness_test.cpp idle_test.cpp
  migrate_test.cpp pace_test.cpp park_test.cpp priority_test.cpp process_test.cpp shutdown_test.cpp takeover_linux_test.cpp
  takeover_test.cpp)
if(SENNIT_SANITIZE STREQUAL "thread")
  list(APPEND sched_tests race_test.cpp)
else()
  list(APPEND sched_tests preemption_test.cpp)  # ThreadSanitizer keeps signals until the program waits
endif()
if(SENNIT_DEBUG_CHECKS)
  list(APPEND sched_tests held_locks_test.cpp static_guards_test.cpp)
endif()
sennit_test_suite(sched ${sched_tests})
target_compile_definitions(test_sched PRIVATE $<$<BOOL:${SENNIT_FP_ENV}>:SENNIT_TEST_FP_ENV=1>)
sennit_native_test_suite(sched many_fibers_native_test.cpp process_native_test.cpp)

# Hazard 4 needs an optimiser that sees the accessors of the thread_locals and their callers at once: the files of the
# scheduler between which a cached address could pass are compiled again, into the executable itself.
sennit_test_suite(sched_o3 ../sched/worker_id_o3_test.cpp)
set(fused api/fiber.cpp api/runtime.cpp api/this_fiber.cpp sched/current.cpp sched/park.cpp sched/scheduler.cpp
  sched/worker.cpp sched/worker_fibers.cpp sched/worker_search.cpp)
list(TRANSFORM fused PREPEND ${PROJECT_SOURCE_DIR}/runtime/)
target_sources(test_sched_o3 PRIVATE ${fused})
set_source_files_properties(${fused} ${CMAKE_CURRENT_LIST_DIR}/worker_id_o3_test.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
target_compile_options(test_sched_o3 PRIVATE -O3)
target_compile_definitions(test_sched_o3 PRIVATE $<$<BOOL:${SENNIT_DEBUG_CHECKS}>:SENNIT_DEBUG_CHECKS=1>)
include(CheckIPOSupported)
check_ipo_supported(RESULT can_fuse LANGUAGES CXX)
set_target_properties(test_sched_o3 PROPERTIES INTERPROCEDURAL_OPTIMIZATION ${can_fuse})
