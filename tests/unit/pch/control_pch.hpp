// What nearly every test of control includes, compiled once.
#include "unit/control/agent/service.hpp"
