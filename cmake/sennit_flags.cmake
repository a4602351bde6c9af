# sennit_flags(target): how everything of the project is compiled. Users of the library inherit none of it but C++20.
function(sennit_flags target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
    $<$<NOT:$<PLATFORM_ID:Darwin>>:-fstack-clash-protection> -fno-omit-frame-pointer $<$<BOOL:${SENNIT_WERROR}>:-Werror>
    $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wthread-safety>)
  if(SENNIT_SANITIZE STREQUAL "address")
    target_compile_options(${target} PRIVATE
      -fsanitize=address,undefined ${SENNIT_SANITIZE_LESS} -fno-sanitize-recover=all
      $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>)  # wrong more often than not in instrumented code
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
    if(SENNIT_FUZZ)
      target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
    endif()
  elseif(SENNIT_SANITIZE STREQUAL "thread")
    target_compile_options(${target} PRIVATE -fsanitize=thread)
    target_link_options(${target} PUBLIC -fsanitize=thread)
  elseif(NOT SENNIT_SANITIZE STREQUAL "")
    message(FATAL_ERROR "SENNIT_SANITIZE=${SENNIT_SANITIZE}: use address, thread or leave it empty")
  endif()
endfunction()
