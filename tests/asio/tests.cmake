# Included by tests/CMakeLists.txt: the component sennit::asio. Beast's headers compile slowly: one file has them.
sennit_test_suite(asio asio_stream_test.cpp beast_test.cpp)
target_link_libraries(test_asio PRIVATE sennit::asio)
if(SENNIT_TLS)
  find_package(OpenSSL 3.0 REQUIRED COMPONENTS SSL)
  target_compile_definitions(test_asio PRIVATE SENNIT_TEST_TLS)
  target_link_libraries(test_asio PRIVATE sennit::tls OpenSSL::SSL OpenSSL::Crypto)
endif()
