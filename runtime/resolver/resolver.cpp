#include <charconv>

#include <sennit/resolver.hpp>

#include "io/retry.hpp"
#include "resolver/domain_name.hpp"
#include "resolver/resolver_core.hpp"
#include "resolver/srv_order.hpp"

namespace sennit::inline v0 {
namespace {

using detail::lookup;
using detail::resolver_core;

/// For messages: `name` as it may be printed, and not all of it if it is long.
std::string shown(std::string_view name) {
  constexpr std::size_t most = 80;
  std::string text;
  for (const char c : name.substr(0, most)) text += c >= ' ' && c < '\x7f' ? c : '?';
  if (name.size() > most) text += "...";
  return text;
}

std::uint16_t port_of(resolver_core& core, std::string_view service, const stop_token& stop, std::error_code& ec) {
  ec.clear();
  if (service.empty()) return 0;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(service.data(), service.data() + service.size(), port);
  if (error == std::errc() && end == service.data() + service.size()) return port;
  const auto found = core.services.find(std::string(service), stop);
  if (!found) ec = resolver_errc::bad_service;
  return found.value_or(0);
}

/// What needs no question: numeric names, the hosts file, localhost. Empty, without `ec`: `name` is to be asked for.
std::vector<endpoint> known(resolver_core& core, std::string_view name, std::uint16_t port, const stop_token& stop,
                            std::error_code& ec) {
  if (const auto numeric = detail::numeric_endpoint(name, port, ec)) return {*numeric};
  if (!ec) ec = detail::check_domain_name(name);
  if (ec) return {};
  const std::string text = detail::comparable(name);
  std::vector<endpoint> found;
  for (const std::string& address : core.hosts.find(text, stop)) {
    std::error_code bad;
    if (const auto e = detail::numeric_endpoint(address, port, bad)) found.push_back(*e);
  }
  if (found.empty() && detail::is_localhost(text)) found = {endpoint("::1", port), endpoint("127.0.0.1", port)};
  return found;
}

}  // namespace

resolver::resolver(const options& opts) : core_(std::make_shared<resolver_core>(opts)) {}
resolver::resolver(resolver&&) noexcept = default;

resolver& resolver::operator=(resolver&& other) noexcept {
  if (core_ != nullptr && this != &other) core_->close();
  core_ = std::move(other.core_);
  return *this;
}

resolver::~resolver() {
  if (core_ != nullptr) core_->close();
}

std::vector<endpoint> resolver::resolve_before(std::string_view name, std::string_view service,
                                               detail::wait_bound until, std::error_code& ec) {
  const std::shared_ptr<resolver_core> core = core_;  // the handle may be gone before the answer comes
  if (core == nullptr) ec = std::make_error_code(std::errc::invalid_argument);
  if (core == nullptr) return {};
  try {
    const std::uint16_t port = port_of(*core, service, *until.stop, ec);
    if (ec) return {};
    auto found = known(*core, name, port, *until.stop, ec);
    if (ec || !found.empty()) return found;
    const auto wanted = std::make_shared<lookup>();
    wanted->name = name;
    wanted->port = port;
    core->ask(wanted, until);
    ec = wanted->ec;
    return ec ? std::vector<endpoint>() : std::move(wanted->addresses);
  } catch (const std::system_error& ended) {
    ec = ended.code();
  } catch (const std::bad_alloc&) {
    ec = std::make_error_code(std::errc::not_enough_memory);
  }
  return {};
}

std::vector<service_record> resolver::service_before(std::string_view name, detail::wait_bound until,
                                                     std::error_code& ec) {
  const std::shared_ptr<resolver_core> core = core_;
  if (core == nullptr) ec = std::make_error_code(std::errc::invalid_argument);
  if (core == nullptr) return {};
  try {
    ec = detail::check_domain_name(name);
    if (ec) return {};
    const auto wanted = std::make_shared<lookup>();
    wanted->what = lookup::kind::service;
    wanted->name = name;
    core->ask(wanted, until);
    ec = wanted->ec;
    if (ec) return {};
    detail::put_in_srv_order(wanted->records,
                             [](std::uint64_t most) { return detail::current_host().random() % (most + 1); });
    return std::move(wanted->records);
  } catch (const std::system_error& ended) {
    ec = ended.code();
  } catch (const std::bad_alloc&) {
    ec = std::make_error_code(std::errc::not_enough_memory);
  }
  return {};
}

std::vector<endpoint> resolver::resolve_or_throw(std::string_view name, std::string_view service,
                                                 detail::wait_bound until) {
  std::error_code ec;
  auto found = resolve_before(name, service, until, ec);
  if (ec == resolver_errc::bad_service) detail::throw_if(ec, ("sennit: resolve service " + shown(service)).c_str());
  if (ec) detail::throw_if(ec, ("sennit: resolve " + shown(name)).c_str());
  return found;
}

std::vector<service_record> resolver::service_or_throw(std::string_view name, detail::wait_bound until) {
  std::error_code ec;
  auto found = service_before(name, until, ec);
  if (ec) detail::throw_if(ec, ("sennit: resolve service " + shown(name)).c_str());
  return found;
}

}  // namespace sennit::inline v0
