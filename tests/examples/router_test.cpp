// The radix tree against a matcher that anybody can check: a loop over all routes, one segment at a time.
#include "support/router.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace {

using http::basic_router;
using router = basic_router<int>;

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> result;
  path.remove_prefix(1);
  for (;;) {
    const auto slash = path.find('/');
    result.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return result;
    path.remove_prefix(slash + 1);
  }
}

/// The specification, slow and obvious.
class linear_router {
 public:
  struct found {
    int value;
    std::vector<std::string> params;
  };

  void add(const std::string& method, const std::string& pattern, int value) {
    routes_.push_back({method, segments_of(pattern), value});
  }

  [[nodiscard]] std::optional<found> find(const std::string& method, const std::string& path) const {
    std::optional<found> best;
    std::string best_rank;
    const auto parts = segments_of(path);
    for (const auto& r : routes_) {
      if (r.method != method) continue;
      found candidate{r.value, {}};
      const auto rank = match(r.segments, parts, candidate.params);
      if (!rank || (best && *rank >= best_rank)) continue;
      best = candidate;
      best_rank = *rank;
    }
    if (!best && method == "HEAD") return find("GET", path);
    return best;
  }

 private:
  struct route {
    std::string method;
    std::vector<std::string> segments;
    int value;
  };

  /// One letter per segment, the better the smaller: a literal, b param, c rest. Nothing if it does not match.
  static std::optional<std::string> match(const std::vector<std::string>& pattern, const std::vector<std::string>& path,
                                          std::vector<std::string>& params) {
    std::string rank;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (i >= path.size()) return {};
      if (pattern[i].starts_with('*')) {
        std::string rest = path[i];
        for (std::size_t j = i + 1; j < path.size(); ++j) rest += "/" + path[j];
        params.push_back(rest);
        return rank + 'c';
      }
      if (pattern[i].starts_with(':')) {
        if (path[i].empty()) return {};
        params.push_back(path[i]);
        rank += 'b';
      } else {
        if (pattern[i] != path[i]) return {};
        rank += 'a';
      }
    }
    if (pattern.size() != path.size()) return {};
    return rank;
  }

  std::vector<route> routes_;
};

std::string error_of(router& routes, const char* method, const char* pattern) {
  try {
    routes.add(method, pattern, 0);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return {};
}

int value_of(const router& routes, const char* method, const char* path) {
  const auto found = routes.find(method, path);
  return found ? *found.handler : -1;
}

TEST(router, literal_before_param_before_rest) {
  router routes;
  routes.add("GET", "/", 1);
  routes.add("GET", "/users/new", 2);
  routes.add("GET", "/users/:id", 3);
  routes.add("GET", "/users/*rest", 4);
  routes.add("GET", "/users/:id/posts", 5);
  EXPECT_EQ(value_of(routes, "GET", "/"), 1);
  EXPECT_EQ(value_of(routes, "GET", "/users/new"), 2);
  EXPECT_EQ(value_of(routes, "GET", "/users/newer"), 3);
  EXPECT_EQ(value_of(routes, "GET", "/users/ne"), 3);
  EXPECT_EQ(value_of(routes, "GET", "/users/"), 4);
  EXPECT_EQ(value_of(routes, "GET", "/users/7/posts"), 5);
  EXPECT_EQ(value_of(routes, "GET", "/users/7/posts/"), 4);
  EXPECT_EQ(value_of(routes, "GET", "/users"), -1);
  EXPECT_EQ(value_of(routes, "GET", "/nobody"), -1);
}

TEST(router, comes_back_from_a_dead_end) {
  router routes;
  routes.add("GET", "/a/b/c", 1);
  routes.add("GET", "/a/:x/d", 2);
  routes.add("GET", "/:y/b/e", 3);
  routes.add("GET", "/*rest", 4);
  EXPECT_EQ(value_of(routes, "GET", "/a/b/c"), 1);
  EXPECT_EQ(value_of(routes, "GET", "/a/b/d"), 2);
  EXPECT_EQ(value_of(routes, "GET", "/a/b/e"), 3);
  EXPECT_EQ(value_of(routes, "GET", "/a/b/f"), 4);
  const auto found = routes.find("GET", "/a/b/f");
  EXPECT_EQ(found.params.size(), 1U) << "values of abandoned ways are left behind";
  EXPECT_EQ(found.params["rest"], "a/b/f");
}

TEST(router, parameters_have_names_and_are_decoded) {
  router routes;
  routes.add("GET", "/u/:user/f/*path", 1);
  const auto found = routes.find("GET", "/u/Zo%C3%AB/f/a%20b/c");
  ASSERT_TRUE(found);
  EXPECT_EQ(found.params["user"], "Zo\xc3\xab");
  EXPECT_EQ(found.params["path"], "a b/c");
  EXPECT_EQ(found.params.raw("path"), "a%20b/c");
  EXPECT_THROW((void)found.params["id"], std::out_of_range);
}

TEST(router, methods_have_their_own_routes_and_names) {
  router routes;
  routes.add("GET", "/a/:id", 1);
  routes.add("POST", "/a/:name", 2);
  routes.add("PUT", "/a/b", 3);
  EXPECT_EQ(routes.find("GET", "/a/b").params["id"], "b");
  EXPECT_EQ(routes.find("POST", "/a/b").params["name"], "b");
  EXPECT_EQ(value_of(routes, "PUT", "/a/b"), 3);
  EXPECT_EQ(value_of(routes, "PUT", "/a/c"), -1);
  EXPECT_EQ(routes.allowed("/a/b"), "GET, HEAD, POST, PUT");
  EXPECT_EQ(routes.allowed("/a/c"), "GET, HEAD, POST");
  EXPECT_EQ(routes.allowed("/b"), "");
}

TEST(router, head_falls_back_to_get) {
  router routes;
  routes.add("GET", "/a", 1);
  routes.add("GET", "/b", 2);
  routes.add("HEAD", "/b", 3);
  routes.add("POST", "/c", 4);
  EXPECT_EQ(value_of(routes, "HEAD", "/a"), 1);
  EXPECT_EQ(value_of(routes, "HEAD", "/b"), 3);
  EXPECT_EQ(value_of(routes, "HEAD", "/c"), -1);
  EXPECT_EQ(routes.allowed("/c"), "POST");
}

TEST(router, a_conflict_names_both_routes) {
  router routes;
  routes.add("GET", "/users/:id/posts", 1);
  routes.add("GET", "/files/*path", 2);
  EXPECT_EQ(error_of(routes, "GET", "/users/:name/posts"),
            "router: GET /users/:name/posts matches the same paths as GET /users/:id/posts; remove one of them");
  EXPECT_EQ(error_of(routes, "GET", "/files/*rest"),
            "router: GET /files/*rest matches the same paths as GET /files/*path; remove one of them");
  EXPECT_EQ(error_of(routes, "POST", "/files/*rest"), "");
  EXPECT_EQ(error_of(routes, "GET", "/files/:name"), "");
}

TEST(router, a_bad_pattern_is_told_so) {
  router routes;
  EXPECT_EQ(error_of(routes, "GET", "users"), "router: GET users: a pattern begins with /");
  EXPECT_EQ(error_of(routes, "GET", ""), "router: GET : a pattern begins with /");
  EXPECT_EQ(error_of(routes, "GET", "/:"), "router: GET /:: a parameter needs a name after : or *");
  EXPECT_EQ(error_of(routes, "GET", "/*"), "router: GET /*: a parameter needs a name after : or *");
  EXPECT_EQ(error_of(routes, "GET", "/:a/:a"), "router: GET /:a/:a: two parameters have the same name");
  EXPECT_EQ(error_of(routes, "GET", "/*a/b"), "router: GET /*a/b: a *rest comes last, for it takes everything");
  EXPECT_EQ(routes.allowed("/x"), "") << "a refused pattern leaves no route";
}

TEST(router, ten_thousand_random_routes_agree_with_the_linear_matcher) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto upto = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  // Few letters and short segments: prefixes are shared, split, and run into dead ends all the time.
  const auto word = [&](int longest = 4) {
    std::string text;
    for (int n = upto(longest); n >= 0; --n) text += static_cast<char>('a' + upto(3));
    return text;
  };
  const std::vector<std::string> methods{"GET", "POST", "HEAD"};

  router tree;
  linear_router linear;
  std::set<std::string> shapes;
  std::vector<std::string> patterns;
  int conflicts = 0;
  while (patterns.size() < 10'000) {
    std::string pattern;
    const int depth = 1 + upto(6);
    for (int i = 0; i < depth; ++i) {
      const int kind = upto(10);
      if (kind < 6 || i == 0)
        pattern += "/" + word();
      else if (kind < 9)
        pattern += "/:p" + std::to_string(i);
      else if (i == depth - 1)
        pattern += "/*rest";
      else
        pattern += "/";
    }
    const std::string method = methods[static_cast<std::size_t>(upto(3))];
    std::string shape = method;
    for (const auto& segment : segments_of(pattern))
      shape += "/" + (segment.starts_with(':') ? ":" : segment.starts_with('*') ? "*" : segment);
    const int value = static_cast<int>(patterns.size());
    if (!shapes.insert(shape).second) {
      EXPECT_NE(error_of(tree, method.c_str(), pattern.c_str()), "") << pattern;
      ++conflicts;
      continue;
    }
    tree.add(method, pattern, value);
    linear.add(method, pattern, value);
    patterns.push_back(pattern);
  }
  EXPECT_GT(conflicts, 0);

  int hits = 0;
  int misses = 0;
  for (int i = 0; i < 3'000; ++i) {
    // A pattern with words for its parameters, now and then bent; so most paths match something, and some nearly.
    std::string path;
    for (const auto& segment : segments_of(patterns[static_cast<std::size_t>(upto(10'000))]))
      path += "/" + (segment.starts_with(':')   ? word()
                     : segment.starts_with('*') ? (upto(2) != 0 ? word() + "/" + word() : std::string())
                     : upto(8) == 0             ? word(6)
                                                : segment);
    const auto& method = methods[static_cast<std::size_t>(upto(3))];
    const auto expected = linear.find(method, path);
    const auto found = tree.find(method, path);
    ASSERT_EQ(static_cast<bool>(found), expected.has_value()) << method << ' ' << path;
    ++(expected ? hits : misses);
    if (!expected) continue;
    ASSERT_EQ(*found.handler, expected->value) << method << ' ' << path;
    ASSERT_EQ(found.params.size(), expected->params.size()) << method << ' ' << path;
    std::size_t at = 0;
    for (const auto& segment : segments_of(patterns[static_cast<std::size_t>(expected->value)])) {
      if (!segment.starts_with(':') && !segment.starts_with('*')) continue;
      ASSERT_EQ(found.params.raw(segment.substr(1)), expected->params[at++]) << method << ' ' << path;
    }
  }
  EXPECT_GT(hits, 500);
  EXPECT_GT(misses, 50);
}

TEST(router, dispatch_answers_404_and_405_with_allow) {
  http::router routes;
  routes.add("GET", "/hello/:name", [](const http::request&, const http::path_params& params) {
    return http::response{.body = "hello " + params["name"]};
  });
  http::request asked{.method = "GET", .path = "/hello/you"};
  EXPECT_EQ(http::dispatch(routes, asked).body, "hello you");
  asked.method = "DELETE";
  const auto refused = http::dispatch(routes, asked);
  EXPECT_EQ(refused.status, 405);
  ASSERT_EQ(refused.headers.size(), 1U);
  EXPECT_EQ(refused.headers[0].name, "Allow");
  EXPECT_EQ(refused.headers[0].value, "GET, HEAD");
  asked.path = "/hello";
  EXPECT_EQ(http::dispatch(routes, asked).status, 404);
}

}  // namespace
