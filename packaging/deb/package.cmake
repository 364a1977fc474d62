# `cpack` in the folder of a release build makes a package for Debian 12. stage.cmake adds the files that Debian
# requires besides the plain installation.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME smaster)
set(CPACK_PACKAGE_VENDOR "the smaster authors")
set(CPACK_PACKAGE_CONTACT "The smaster authors <maintainers@smaster.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "runs a fleet of Discord bot shards on many machines")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"One server decides how many shards there are and which host runs which shard
id, paces their logins, notices the dead, hands their ids to spares, and
carries evals, SQL and files between them. Small tools command it over a local
socket. On the shards' hosts an agent runs the bots, in any language.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers, procps")  # creates the users; used to reload
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates, default-mta | mail-transport-agent")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bash-completion, nodejs, nginx, haproxy, prometheus")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(script postinst prerm postrm conffiles)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_SOURCE_DIR}/packaging/deb/${script})
endforeach()
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/packaging/deb/stage.cmake)
include(CPack)
