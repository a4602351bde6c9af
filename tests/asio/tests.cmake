# Included by tests/CMakeLists.txt: the component sennit::asio. Beast's headers compile slowly: one file has them.
sennit_test_suite(asio asio_stream_test.cpp beast_test.cpp)
target_link_libraries(test_asio PRIVATE sennit::asio)
