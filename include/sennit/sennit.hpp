#pragma once
/// \file Everything of sennit but its optional components.
#include <sennit/blocking.hpp>
#include <sennit/channel.hpp>
#include <sennit/condition_variable.hpp>
#include <sennit/error.hpp>
#include <sennit/event.hpp>
#include <sennit/event_queue.hpp>
#include <sennit/fiber.hpp>
#include <sennit/io.hpp>
#include <sennit/mutex.hpp>
#include <sennit/runtime.hpp>
#include <sennit/scope.hpp>
#include <sennit/stop_token.hpp>
#include <sennit/tcp.hpp>
#include <sennit/wait_group.hpp>
