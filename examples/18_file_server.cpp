// Rung 18: a server of files, by send_file.
//
// What is in memory goes from the page cache to the socket without a copy in between, sendfile(2). What is not is read
// from the disk first, and that holds up neither the worker nor anybody else. Most of what is here is HTTP: ranges,
// validators, types (support/http_files.hpp), and what not to send: nothing outside of the root, whatever the path says
// and wherever symbolic links lead. (Who may write beneath the root could still swap a directory for a link between two
// of our looks at it.)
//
//   18_file_server --root docs --port 7018 &   then   curl -i -r 0-99 http://127.0.0.1:7018/design.md
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"
#include "support/http_files.hpp"
#include "support/http_session.hpp"
#include "support/stop_signal.hpp"

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// An answer whose body is a part of a file.
struct file_answer {
  http::response head = {};
  sennit::file file = {};
  std::uint64_t at = 0;

  /// Piece by piece: a slow client may take long for the whole, but not for a piece.
  bool send_body(sennit::tcp_stream& to) {
    for (std::uint64_t left = head.body_size.value_or(0); left > 0;) {
      to.expires_after(30s);
      const std::uint64_t sent = to.send_file(file, at, std::min<std::uint64_t>(left, 1 << 20));
      if (sent == 0) return false;  // the file has become shorter: the client shall see that something is missing
      at += sent;
      left -= sent;
    }
    return true;
  }
};

/// Where a name leads. These calls may wait for the disk, so they are made by a helper thread.
struct place {
  fs::path path = {};
  fs::file_type type = fs::file_type::not_found;
};

place find_below(const fs::path& root, const std::string& name) {
  return sennit::blocking([&]() -> place {
    std::error_code ec;
    const fs::path path = fs::canonical(root / name, ec);
    const bool inside = !ec && std::ranges::mismatch(root, path).in1 == root.end();
    return inside ? place{path, fs::status(path, ec).type()} : place{};
  });
}

file_answer answer(const fs::path& root, const http::request& asked) {
  if (asked.method != "GET" && asked.method != "HEAD") {
    http::response refused = http::error_response(405, "try GET or HEAD");
    refused.headers.push_back({"Allow", "GET, HEAD"});
    return {refused};
  }
  const auto name = http::name_below_root(asked.path);
  place found = name ? find_below(root, *name) : place{};
  if (found.type == fs::file_type::directory) {
    if (!asked.path.ends_with('/')) {
      http::response moved = http::error_response(301, "it is a directory");
      moved.headers.push_back({"Location", asked.path + '/'});
      return {moved};
    }
    found = find_below(root, *name + "index.html");
  }
  std::error_code ec;
  sennit::file file;
  if (found.type == fs::file_type::regular)  // the open of a FIFO would wait for its writer
    file = sennit::file::open(found.path, sennit::open_mode::read, ec);
  if (!file.is_open()) return {http::error_response(404, "there is no " + asked.path)};

  const sennit::file_status status = file.status();
  const auto age = status.modified.time_since_epoch();
  const http::validators now{'"' + std::to_string(status.size) + '-' + std::to_string(age.count()) + '"',
                             std::chrono::floor<std::chrono::seconds>(status.modified)};
  file_answer out{.file = std::move(file)};
  out.head = http::head_of_file(asked, status.size, now, out.at);
  if (out.head.status < 300) out.head.content_type = http::content_type_of(found.path.native());
  return out;
}

}  // namespace

int main(int argc, char** argv) try {
  std::string root = ".";
  example::command_line line("An HTTP server of the files in a directory.", 7018);
  line.add("--root", root, "the directory")->check(CLI::ExistingDirectory);
  line.parse(argc, argv);
  example::stop_signal stop;
  const fs::path top = fs::canonical(root);

  sennit::run(line.runtime_options(), [&] {
    auto listener = sennit::tcp_listener::bind(line.address());
    std::cout << "listening on " << listener.local_endpoint() << std::endl;

    sennit::scope server(sennit::on_exception::log);
    server.spawn({.name = "accept"}, [&] {
      for (;;)
        server.spawn({.name = "session"}, [&, stream = listener.accept()]() mutable {
          http::serve(stream, [&](const http::request& asked) { return answer(top, asked); });
        });
    });
    std::cout << "stopping on " << stop.wait() << std::endl;
    server.request_stop();
    server.join();
  });
} catch (const std::exception& e) {
  std::cerr << "18_file_server: " << e.what() << '\n';
  return 1;
}
