// The table of a fiber's fiber_locals, and the registry of slots.
#include "fiber/local_map.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sennit/fiber_local.hpp>

#include "fiber/local_registry.hpp"
#include "support/scale.hpp"

namespace sennit::detail {
namespace {

using text = std::string;

/// Appends its name to a record when it is destroyed, then does what it was told to.
struct ghost {
  std::vector<text>* record;
  text name;
  std::function<void()> last_words = {};
  ~ghost() {
    record->push_back(name);
    if (last_words) last_words();
  }
};

template <class T, bool Inherited = false>
T& put(local_map& map, const local_slot& slot, const std::function<T()>& make) {
  auto made = std::make_unique<local_value<T, Inherited>>(slot, make);
  T& value = made->value;
  map.insert(std::move(made));
  return value;
}

template <class T, bool Inherited = false>
T& value_in(local_map& map, const local_slot& slot) {
  return static_cast<local_value<T, Inherited>&>(*map.find(slot)).value;
}

TEST(local_map_test, finds_what_was_put_there) {
  const local_key a;
  const local_key b;
  local_map map;
  EXPECT_EQ(map.find(a.slot()), nullptr);
  put<int>(map, a.slot(), [] { return 1; });
  EXPECT_EQ(map.find(b.slot()), nullptr);
  put<int>(map, b.slot(), [] { return 2; });
  EXPECT_EQ(value_in<int>(map, a.slot()), 1);
  EXPECT_EQ(value_in<int>(map, b.slot()), 2);
  map.remove(a.slot());
  map.remove(a.slot());
  EXPECT_EQ(map.find(a.slot()), nullptr);
  EXPECT_EQ(value_in<int>(map, b.slot()), 2);
}

TEST(local_map_test, values_stay_where_they_are_while_the_table_grows) {
  std::vector<std::unique_ptr<local_key>> keys;
  std::vector<int*> where;
  local_map map;
  for (int i = 0; i < 1000; ++i) {
    keys.push_back(std::make_unique<local_key>());
    where.push_back(&put<int>(map, keys.back()->slot(), [i] { return i; }));
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(&value_in<int>(map, keys[i]->slot()), where[i]);
    ASSERT_EQ(*where[i], static_cast<int>(i));
  }
}

TEST(local_map_test, destroys_the_newest_first) {
  const local_key a;
  const local_key b;
  const local_key c;
  std::vector<text> record;
  {
    local_map map;
    put<ghost>(map, b.slot(), [&] { return ghost{&record, "b"}; });
    put<ghost>(map, a.slot(), [&] { return ghost{&record, "a"}; });
    put<ghost>(map, c.slot(), [&] { return ghost{&record, "c"}; });
    map.remove(b.slot());
    put<ghost>(map, b.slot(), [&] { return ghost{&record, "b again"}; });
    EXPECT_EQ(record, (std::vector<text>{"b"}));
  }
  EXPECT_EQ(record, (std::vector<text>{"b", "b again", "c", "a"}));
}

TEST(local_map_test, a_destructor_finds_what_is_older_and_makes_what_is_gone) {
  const local_key a;
  const local_key b;
  const local_key c;
  std::vector<text> record;
  local_map map;
  put<ghost>(map, a.slot(), [&] { return ghost{&record, "a"}; });
  put<ghost>(map, b.slot(), [&] {
    return ghost{&record, "b", [&] {
                   EXPECT_NE(map.find(a.slot()), nullptr);
                   EXPECT_EQ(map.find(b.slot()), nullptr) << "it is going";
                   EXPECT_EQ(map.find(c.slot()), nullptr) << "it is gone";
                   put<ghost>(map, c.slot(), [&] { return ghost{&record, "c again"}; });
                 }};
  });
  put<ghost>(map, c.slot(), [&] { return ghost{&record, "c"}; });
  map.clear();
  EXPECT_EQ(record, (std::vector<text>{"c", "b", "c again", "a"}));
  EXPECT_EQ(map.find(c.slot()), nullptr);
}

/// Makes itself again when it is destroyed, `left` times.
struct phoenix {
  local_map* map;
  const local_key* key;
  int left;
  int* died;
  ~phoenix() {
    ++*died;
    if (left > 0) put<phoenix>(*map, key->slot(), [this] { return phoenix{map, key, left - 1, died}; });
  }
};

TEST(local_map_test, what_destructors_make_is_destroyed_in_turn) {
  const local_key key;
  int died = 0;
  local_map map;
  put<phoenix>(map, key.slot(), [&] { return phoenix{&map, &key, 4, &died}; });
  map.clear();
  EXPECT_EQ(died, 5);
  EXPECT_EQ(map.find(key.slot()), nullptr);
}

TEST(local_map_death_test, destructors_that_never_stop_making_values_are_an_error) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(
      {
        const local_key key;
        int died = 0;
        local_map map;
        put<phoenix>(map, key.slot(), [&] { return phoenix{&map, &key, 5, &died}; });
        map.clear();
      },
      "must not go on making new ones");
}

TEST(local_map_test, the_next_owner_of_an_index_sees_nothing_of_the_former) {
  std::vector<text> record;
  local_map map;
  std::optional<local_key> former(std::in_place);
  const local_slot gone = former->slot();
  put<ghost>(map, gone, [&] { return ghost{&record, "former"}; });
  former.reset();
  const local_key next;
  ASSERT_EQ(next.slot().index, gone.index) << "the index is used again";
  EXPECT_EQ(map.find(next.slot()), nullptr);
  map.remove(next.slot());
  put<ghost>(map, next.slot(), [&] { return ghost{&record, "next"}; });
  EXPECT_EQ(value_in<ghost>(map, next.slot()).name, "next");
  EXPECT_EQ(map.find(gone), nullptr);
  EXPECT_TRUE(record.empty());
  map.clear();
  EXPECT_EQ(record, (std::vector<text>{"next", "former"}));
}

TEST(local_map_test, children_get_copies_in_the_same_order) {
  const local_key a;
  const local_key own;
  const local_key b;
  std::vector<text> record;
  local_map parent;
  EXPECT_EQ(parent.copy_for_child(), nullptr);
  put<int>(parent, own.slot(), [] { return 3; });
  EXPECT_EQ(parent.copy_for_child(), nullptr) << "nothing is inherited";
  put<ghost, true>(parent, b.slot(), [&] { return ghost{&record, "b"}; });
  put<ghost, true>(parent, a.slot(), [&] { return ghost{&record, "a"}; });
  std::unique_ptr<local_map> child = parent.copy_for_child();
  ASSERT_NE(child, nullptr);
  EXPECT_EQ(child->find(own.slot()), nullptr);
  EXPECT_EQ((value_in<ghost, true>(*child, a.slot()).name), "a");
  EXPECT_NE(&(value_in<ghost, true>(*child, a.slot())), &(value_in<ghost, true>(parent, a.slot())));
  std::unique_ptr<local_map> grandchild = child->copy_for_child();
  child.reset();
  EXPECT_EQ(record, (std::vector<text>{"a", "b"})) << "newest first there too";
  EXPECT_EQ((value_in<ghost, true>(*grandchild, b.slot()).name), "b");
  parent.remove(a.slot());
  parent.remove(b.slot());
  EXPECT_EQ(parent.copy_for_child(), nullptr);
}

TEST(local_map_test, values_of_a_destroyed_fiber_local_are_not_inherited) {
  std::optional<local_key> gone(std::in_place);
  const local_key stays;
  local_map parent;
  const local_slot slot = gone->slot();
  put<int, true>(parent, slot, [] { return 1; });
  put<int, true>(parent, stays.slot(), [] { return 2; });
  EXPECT_NE(parent.copy_for_child()->find(slot), nullptr);
  gone.reset();
  const std::unique_ptr<local_map> child = parent.copy_for_child();
  EXPECT_EQ(child->find(slot), nullptr);
  EXPECT_NE(child->find(stays.slot()), nullptr);
  EXPECT_NE(parent.find(slot), nullptr) << "the parent's lives as long as the parent";
}

TEST(local_registry_test, slots_are_distinct_while_they_are_taken) {
  local_registry& registry = local_registry::of_process();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < test::scaled(100'000); ++i) {
        const local_slot a = registry.add();
        const local_slot b = registry.add();
        ASSERT_NE(a.index, b.index);
        ASSERT_NE(a.id, b.id);
        ASSERT_TRUE(registry.contains(a));
        ASSERT_TRUE(registry.contains(b));
        registry.remove(a);
        ASSERT_FALSE(registry.contains(a));
        registry.remove(b);
      }
    });
  }
  for (auto& t : threads) t.join();
}

}  // namespace
}  // namespace sennit::detail
