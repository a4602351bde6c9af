#pragma once
// when_all and when_any over futures, as in the Concurrency TS.
#include <concepts>
#include <cstddef>
#include <future>
#include <iterator>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <sennit/future.hpp>

namespace sennit::inline v0 {

/// What when_any gives: all futures, and the index of one that is ready (npos if there are none).
template <class Sequence>
struct when_any_result {
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
  std::size_t index = npos;
  Sequence futures;
};

namespace detail {

template <class F>
inline constexpr bool is_future = false;
template <class T>
inline constexpr bool is_future<future<T>> = true;
template <class T>
inline constexpr bool is_future<shared_future<T>> = true;
template <class F>
concept any_future = is_future<F>;

template <class It>
concept future_iterator = std::input_iterator<It> && any_future<std::iter_value_t<It>>;

/// The state of a when_all or when_any; its value is there from the start, but nobody sees it before it is ready.
template <class Result, class Sequence>
class gathered_state final : public future_state<Result> {
  static constexpr bool any = !std::same_as<Result, Sequence>;

 public:
  explicit gathered_state(Sequence&& inputs) {
    if constexpr (any) {
      this->emplace(Result{.futures = std::move(inputs)});
    } else {
      this->emplace(std::move(inputs));
    }
  }
  /// The first inputs that are made ready may complete it before this returns.
  future<Result> start(future_ptr<future_state<Result>> self) {
    if constexpr (any) {
      watch(this->value().futures, &this->value().index);
    } else {
      watch(this->value(), nullptr);
    }
    return future_access::make(std::move(self));
  }

 private:
  template <any_future... F>
  void watch(const std::tuple<F...>& inputs, std::size_t* index) {
    gathering_.emplace(*this, sizeof...(F), index);
    std::apply([&](const auto&... f) { (gathering_->add(future_access::core(f)), ...); }, inputs);
    gathering_->start();
  }
  template <any_future F>
  void watch(const std::vector<F>& inputs, std::size_t* index) {
    gathering_.emplace(*this, inputs.size(), index);
    for (const F& f : inputs) gathering_->add(future_access::core(f));
    gathering_->start();
  }

  std::optional<gathering> gathering_;
};

template <class Result, class Sequence>
future<Result> gather(Sequence&& inputs) {
  using state = gathered_state<Result, std::remove_cvref_t<Sequence>>;
  auto* const made = new state(std::forward<Sequence>(inputs));
  return made->start(future_ptr<future_state<Result>>(made));
}

template <class Iterator, class Sentinel>
std::vector<std::iter_value_t<Iterator>> collect(Iterator first, Sentinel last) {
  std::vector<std::iter_value_t<Iterator>> inputs;
  if constexpr (std::forward_iterator<Iterator>) {
    inputs.reserve(static_cast<std::size_t>(std::ranges::distance(first, last)));
    for (Iterator i = first; i != last; ++i) static_cast<void>(future_access::core(*i));  // before any is moved from
  }
  for (; first != last; ++first) {
    if constexpr (std::copy_constructible<std::iter_value_t<Iterator>>) {
      inputs.push_back(*first);
    } else {
      inputs.push_back(std::move(*first));
    }
  }
  return inputs;
}

}  // namespace detail

/// A future that is ready when all of `futures` are; its value is those futures, ready. Takes future (moved from) and
/// shared_future, in any mix, and uses neither a fiber nor a thread. Nothing given: ready at once. Throws
/// std::future_error(no_state), and takes nothing, if one of them is not valid.
template <class... Futures>
  requires(detail::any_future<std::decay_t<Futures>> && ...)
[[nodiscard]] future<std::tuple<std::decay_t<Futures>...>> when_all(Futures&&... futures) {
  (static_cast<void>(detail::future_access::core(futures)), ...);
  using sequence = std::tuple<std::decay_t<Futures>...>;
  return detail::gather<sequence>(sequence(std::forward<Futures>(futures)...));
}
/// The same for a range of futures, which are moved from, or of shared_futures.
template <detail::future_iterator Iterator, std::sentinel_for<Iterator> Sentinel>
[[nodiscard]] future<std::vector<std::iter_value_t<Iterator>>> when_all(Iterator first, Sentinel last) {
  return detail::gather<std::vector<std::iter_value_t<Iterator>>>(detail::collect(std::move(first), std::move(last)));
}

/// A future that is ready when one of `futures` is; its value tells which one and has all of them. Otherwise as
/// when_all(). What is not ready is left as it was: it may be waited for again.
template <class... Futures>
  requires(detail::any_future<std::decay_t<Futures>> && ...)
[[nodiscard]] future<when_any_result<std::tuple<std::decay_t<Futures>...>>> when_any(Futures&&... futures) {
  (static_cast<void>(detail::future_access::core(futures)), ...);
  using sequence = std::tuple<std::decay_t<Futures>...>;
  return detail::gather<when_any_result<sequence>>(sequence(std::forward<Futures>(futures)...));
}
template <detail::future_iterator Iterator, std::sentinel_for<Iterator> Sentinel>
[[nodiscard]] future<when_any_result<std::vector<std::iter_value_t<Iterator>>>> when_any(Iterator first,
                                                                                         Sentinel last) {
  using sequence = std::vector<std::iter_value_t<Iterator>>;
  return detail::gather<when_any_result<sequence>>(detail::collect(std::move(first), std::move(last)));
}

}  // namespace sennit::inline v0
