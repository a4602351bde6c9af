# Included by tests/CMakeLists.txt: the component sennit::tls, with certificates that the tests make.
find_package(OpenSSL 3.0 REQUIRED COMPONENTS SSL)
sennit_test_suite(tls tls_context_test.cpp tls_end_test.cpp tls_error_test.cpp tls_handshake_test.cpp tls_layer_test.cpp
  tls_stream_test.cpp tls_verify_test.cpp)
target_link_libraries(test_tls PRIVATE sennit::tls OpenSSL::SSL OpenSSL::Crypto)
