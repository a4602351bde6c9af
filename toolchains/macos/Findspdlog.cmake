include(sennit_lone_headers)
if(NOT TARGET spdlog::spdlog)
  sennit_lone_headers(spdlog::spdlog spdlog fmt)
  set_target_properties(spdlog::spdlog PROPERTIES
    INTERFACE_COMPILE_DEFINITIONS "SPDLOG_FMT_EXTERNAL;FMT_HEADER_ONLY")
endif()
set(spdlog_FOUND ON)
