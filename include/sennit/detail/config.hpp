#pragma once
// What every public header needs from the build: symbol visibility.

/// Marks what a shared libsennit exports. The project is compiled with hidden visibility; put this on each public class
/// that has out-of-line members (exceptions above all: catch needs one type_info in the whole process) and on each
/// public function that is not a template.
#define SENNIT_API [[gnu::visibility("default")]]
