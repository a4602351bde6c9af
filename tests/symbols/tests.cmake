# Included by tests/CMakeLists.txt: the component sennit::symbols.
sennit_test_suite(symbols symbols_test.cpp)
target_link_libraries(test_symbols PRIVATE sennit::symbols)
