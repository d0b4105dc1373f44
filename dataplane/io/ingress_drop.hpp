#pragma once
/// Has the kernel drop what arrives at an interface, behind the AF_PACKET sockets that read it: a
/// stack that holds the port's addresses elsewhere would answer everything a second time.

#include <memory>
#include <string>

#include "weft/result.hpp"

namespace weft::io {

class IngressDrop {
 public:
  /// How it is attached: as a link (Linux 6.6), which the kernel takes away with this process
  /// however that ends, or as a filter of clsact, which stays when the process is killed; the next
  /// attach() takes its place.
  enum class Means { link, filter };

  /// For an interface of this thread's namespace; the link, or the filter where the kernel has no
  /// such links. Errors say what the kernel refused.
  static Result<std::unique_ptr<IngressDrop>> attach(const std::string& interface);
  static Result<std::unique_ptr<IngressDrop>> attach(const std::string& interface, Means means);
  /// Takes it away. The qdisc that the filter needs stays, empty: others may be there by now.
  ~IngressDrop();
  IngressDrop(const IngressDrop&) = delete;
  IngressDrop& operator=(const IngressDrop&) = delete;

  [[nodiscard]] Means means() const { return link_ >= 0 ? Means::link : Means::filter; }

 private:
  explicit IngressDrop(int interface_index) : interface_index_(interface_index) {}
  int interface_index_;
  int link_ = -1;
};

}  // namespace weft::io
