# Component sennit::asio: headers alone, for who has Boost.
find_package(Boost 1.74)
if(NOT Boost_FOUND)
  message(FATAL_ERROR "Boost 1.74 is missing: install libboost-dev, or build without sennit::asio: -DSENNIT_ASIO=OFF")
endif()
add_library(sennit_asio INTERFACE)
add_library(sennit::asio ALIAS sennit_asio)
set_target_properties(sennit_asio PROPERTIES EXPORT_NAME asio)
target_link_libraries(sennit_asio INTERFACE sennit::sennit Boost::headers)
