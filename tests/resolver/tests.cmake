# Included by tests/CMakeLists.txt: the component sennit::resolver against a DNS server of the tests' own.
sennit_test_suite(resolver domain_name_test.cpp resolver_faults_test.cpp resolver_test.cpp resolver_wait_test.cpp srv_order_test.cpp)
target_link_libraries(test_resolver PRIVATE sennit::resolver)
