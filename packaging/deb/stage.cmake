# Runs when the installation is staged, before it is packaged: adds the files that Debian's policy requires.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(packaging ${CMAKE_CURRENT_LIST_DIR}/..)
set(doc ${root}/usr/share/doc/smaster)

file(MAKE_DIRECTORY ${root}/etc/smaster ${root}/usr/share/lintian/overrides)
file(COPY ${packaging}/etc/ DESTINATION ${root}/etc/smaster)
file(COPY_FILE ${packaging}/deb/copyright ${doc}/copyright)
file(COPY_FILE ${packaging}/deb/changelog ${doc}/changelog.Debian)
file(COPY_FILE ${packaging}/deb/lintian-overrides ${root}/usr/share/lintian/overrides/smaster)

file(GLOB pages ${root}/usr/share/man/man*/*.[1-8])
execute_process(COMMAND gzip -9n ${pages} ${doc}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)
