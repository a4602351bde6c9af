#pragma once
// Finds the handler for a path. A radix tree: routes share the bytes that they begin with, so the time to find one
// depends on the length of the path, hardly on the number of routes.
//
//   /users/new        literal: exactly these bytes
//   /users/:id        :param, one whole segment, not empty
//   /files/*path      *rest, everything that is left, may be empty; only at the end
//
// Where several routes match, the one that is literal for longest wins: a literal before a :param before a *rest,
// decided at the first segment in which they differ. Each method is looked up as though its routes were alone.
#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/http.hpp"

namespace http {

/// What :names and *names stood for in the path, in the pattern's order; still with its %XX.
class path_params {
 public:
  /// The value of a name of the route's pattern. Throws std::out_of_range for another name.
  [[nodiscard]] std::string_view raw(std::string_view name) const {
    for (const auto& [key, value] : entries_)
      if (key == name) return value;
    throw std::out_of_range("router: the route has no parameter " + std::string(name));
  }
  /// The same, decoded: what the client means.
  [[nodiscard]] std::string operator[](std::string_view name) const { return percent_decode(raw(name)); }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  void add(std::string_view name, std::string_view value) { entries_.emplace_back(name, value); }

 private:
  std::vector<std::pair<std::string_view, std::string_view>> entries_;  // views of the route's pattern and of the path
};

/// Filled once, then read by any number of fibers and threads at a time.
template <class Handler>
class basic_router {
 public:
  struct match {
    const Handler* handler = nullptr;
    path_params params;
    explicit operator bool() const noexcept { return handler != nullptr; }
  };

  /// Adds a route. Throws std::invalid_argument, naming both, if another route of that method matches the same paths.
  void add(std::string_view method, std::string_view pattern, Handler handler) {
    route added{std::string(method), std::string(pattern), {}, std::move(handler)};
    node& end = grow(added);
    if (const route* other = end.find(method))
      throw std::invalid_argument("router: " + added.method + " " + added.pattern + " matches the same paths as " +
                                  other->method + " " + other->pattern + "; remove one of them");
    if (std::ranges::find(methods_, method) == methods_.end()) methods_.emplace_back(method);
    end.routes.push_back(std::move(added));
  }

  /// The route for this request, if there is one. HEAD falls back to GET. `path` must outlive the result.
  [[nodiscard]] match find(std::string_view method, std::string_view path) const {
    std::vector<std::string_view> values;
    const route* found = walk(root_, path, method, values);
    if (found == nullptr && method == "HEAD") found = walk(root_, path, "GET", values);
    if (found == nullptr) return {};
    match result{&found->handler, {}};
    for (std::size_t i = 0; i < values.size(); ++i) result.params.add(found->names[i], values[i]);
    return result;
  }

  /// The methods that have a route for `path`, as the Allow header wants them: "GET, HEAD, POST". Empty: no such path.
  [[nodiscard]] std::string allowed(std::string_view path) const {
    std::vector<std::string_view> names(methods_.begin(), methods_.end());
    if (std::ranges::find(names, "HEAD") == names.end()) names.emplace_back("HEAD");
    std::ranges::sort(names);
    std::string list;
    for (const auto name : names)
      if (find(name, path)) list.append(list.empty() ? "" : ", ").append(name);
    return list;
  }

 private:
  struct route {
    std::string method;
    std::string pattern;
    std::vector<std::string> names;  // of its parameters: another method may call the same place otherwise
    Handler handler;
  };

  struct node {
    std::string prefix;                           // the literal bytes that lead here from the parent
    std::vector<std::unique_ptr<node>> literals;  // no two begin with the same byte
    std::unique_ptr<node> param;                  // both only where a segment begins
    std::unique_ptr<node> rest;
    std::vector<route> routes;  // that end here: one per method

    [[nodiscard]] const route* find(std::string_view method) const {
      const auto at = std::ranges::find(routes, method, &route::method);
      return at == routes.end() ? nullptr : &*at;
    }
  };

  /// The node where the pattern ends, with the nodes that lead to it; fills in the names.
  node& grow(route& added) {
    const auto reject = [&added](const char* why) {
      throw std::invalid_argument("router: " + added.method + " " + added.pattern + ": " + why);
    };
    std::string_view left = added.pattern;
    if (!left.starts_with('/')) reject("a pattern begins with /");
    node* at = &root_;
    while (!left.empty()) {
      const std::size_t special = std::min(left.find("/:"), left.find("/*"));
      at = &grow_literal(*at, left.substr(0, special == std::string_view::npos ? special : special + 1));
      if (special == std::string_view::npos) break;
      left.remove_prefix(special + 1);

      const auto segment = left.substr(0, left.find('/'));
      const std::string name(segment.substr(1));
      const bool is_rest = segment.front() == '*';
      if (name.empty()) reject("a parameter needs a name after : or *");
      if (std::ranges::find(added.names, name) != added.names.end()) reject("two parameters have the same name");
      if (is_rest && segment.size() != left.size()) reject("a *rest comes last, for it takes everything");
      added.names.push_back(name);
      auto& child = is_rest ? at->rest : at->param;
      if (!child) child = std::make_unique<node>();
      at = child.get();
      left.remove_prefix(segment.size());
    }
    return *at;
  }

  static node& grow_literal(node& from, std::string_view text) {
    node* at = &from;
    while (!text.empty()) {
      const auto child = std::ranges::find(at->literals, text.front(), [](auto& n) { return n->prefix.front(); });
      if (child == at->literals.end()) {
        at->literals.push_back(std::make_unique<node>());
        at->literals.back()->prefix = text;
        return *at->literals.back();
      }
      at = child->get();
      const auto differ = std::ranges::mismatch(at->prefix, text).in1;
      const auto common = static_cast<std::size_t>(differ - at->prefix.begin());
      if (common < at->prefix.size()) split(*at, common);
      text.remove_prefix(common);
    }
    return *at;
  }

  /// Cuts the edge to `upper` after `length` bytes: what hung below it now hangs below a new node for the remainder.
  static void split(node& upper, std::size_t length) {
    auto lower = std::make_unique<node>(std::move(upper));
    upper = node{};
    upper.prefix = lower->prefix.substr(0, length);
    lower->prefix.erase(0, length);
    upper.literals.push_back(std::move(lower));
  }

  /// Depth first, the most literal way first; a dead end comes back here for the next best. Each node has one way to it
  /// and that way fixes how much of the path is gone, so no node is tried twice; the depth is that of the patterns, not
  /// of the path.
  static const route* walk(const node& at, std::string_view path, std::string_view method,
                           std::vector<std::string_view>& values) {
    if (path.empty()) {
      if (const route* found = at.find(method)) return found;
    } else {
      for (const auto& child : at.literals) {
        if (!path.starts_with(child->prefix)) continue;
        if (const route* found = walk(*child, path.substr(child->prefix.size()), method, values)) return found;
        break;  // no other begins with this byte
      }
      const auto segment = path.substr(0, path.find('/'));
      if (at.param && !segment.empty()) {
        values.push_back(segment);
        if (const route* found = walk(*at.param, path.substr(segment.size()), method, values)) return found;
        values.pop_back();
      }
    }
    const route* found = at.rest ? at.rest->find(method) : nullptr;
    if (found != nullptr) values.push_back(path);
    return found;
  }

  node root_;
  std::vector<std::string> methods_;
};

using handler = std::function<response(const request&, const path_params&)>;
using router = basic_router<handler>;

/// The answer of the route that matches; 404 where no route does, 405 where only other methods do.
inline response dispatch(const router& routes, const request& asked) {
  if (const auto found = routes.find(asked.method, asked.path)) return (*found.handler)(asked, found.params);
  const std::string allowed = routes.allowed(asked.path);
  if (allowed.empty()) return error_response(404, "there is no " + asked.path);
  response answer = error_response(405, "try " + allowed);
  answer.headers.push_back({"Allow", allowed});
  return answer;
}

}  // namespace http
